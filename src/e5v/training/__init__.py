"""The wing that tunes a model on texts alone: triplets in, an adapter out."""
