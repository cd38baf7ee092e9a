"""The command line: Hydra's, one file a command."""
