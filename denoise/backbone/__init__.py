"""Backbones, whose attention, norm and feed-forward are arguments."""
