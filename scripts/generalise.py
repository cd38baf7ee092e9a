"""Score models on other noise: python scripts/generalise.py checkpoints=[color,PATH]."""

from denoise.cli.generalise import main

if __name__ == "__main__":
    main()
