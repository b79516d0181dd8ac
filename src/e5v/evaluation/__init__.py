"""Evaluate an embedder by the paper's protocol: sources -> tasks -> vectors -> figures."""
