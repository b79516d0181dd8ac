"""Files of a checkpoint: tensors, a merged adapter, a converted original, the model card."""
