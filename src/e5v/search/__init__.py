"""Semantic search: folder -> vectors -> index; words or an image -> nearest entries."""
