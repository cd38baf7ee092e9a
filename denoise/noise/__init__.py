"""Noise: synthetic models and the estimation of its strength."""
