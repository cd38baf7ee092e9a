"""Attention: one mechanism a file, each a `Mixer(dim, num_heads, index, *, ...)`."""
