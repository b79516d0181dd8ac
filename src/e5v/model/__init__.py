"""Turns items into vectors: prompts, backbones and the encoder."""

from e5v.model.torchao_internals import hide_notes

hide_notes()  # before anything imports transformers, and that torchao
