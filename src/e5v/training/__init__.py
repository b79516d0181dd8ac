"""Fine-tune a model on texts alone: triplets in, a LoRA adapter out."""
