"""Measuring: protocols, baselines, cost, pictures."""
