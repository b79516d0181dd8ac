"""The workshop: how the bundled model is made, from emoji scenes to a checkpoint; not installed."""
