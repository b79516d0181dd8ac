"""The process that decodes: what it returns, and what becomes of one that dies or hangs."""
