"""Students: loading, training examples, QLoRA training, decoding, generation, export."""
