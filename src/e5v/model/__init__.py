"""Turns items into vectors: prompts, backbones and the encoder."""
