"""Evaluation: protocols, baselines, complexity, and the scores of a model."""
