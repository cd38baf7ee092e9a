"""Export a model: files that other programs load, and a runner without torch."""
