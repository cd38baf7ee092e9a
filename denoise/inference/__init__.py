"""Inference on images of any size: tiles, memory, ensembles. Knows torch and `properties` alone."""
