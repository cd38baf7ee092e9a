"""Noise: synthetic kinds and the estimation of its strength."""
