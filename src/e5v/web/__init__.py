"""The face: embeddings and search over HTTP, and the page that uses them."""
