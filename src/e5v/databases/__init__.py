"""An index in a database of vectors: export it there, and search it there."""
