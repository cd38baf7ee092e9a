"""Backbones that are handed their attention, norm and feed-forward."""
