"""Training with Lightning, and its checkpoints."""
