"""Encode a collection in parts: many workers, each row once, no engine needed."""
