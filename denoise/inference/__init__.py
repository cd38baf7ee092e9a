"""Restore images of any size: tiles, memory, self-ensemble, many pictures at once."""
