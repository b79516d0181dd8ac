"""The HTTP server: embeddings, search, and the page that uses them."""
