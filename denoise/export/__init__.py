"""Handing a model over: files that other programs load, and a runner that needs no torch."""
