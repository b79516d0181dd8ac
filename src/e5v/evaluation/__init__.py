"""How good an embedder is, by the paper's own protocol: sources -> tasks -> vectors -> figures."""
