"""Weights of networks: loaded, checked, of this project and of others."""
