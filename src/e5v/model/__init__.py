"""The floor that turns items into vectors: prompts, backbones, and the one encoder."""
