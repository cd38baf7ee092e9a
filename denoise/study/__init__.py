"""Results of runs and sweeps, recorded and laid out."""
