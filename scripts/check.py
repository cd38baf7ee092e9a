"""Try an attention: python scripts/check.py attention=NAME plugins=[PACKAGE]."""

from denoise.cli.check import main

if __name__ == "__main__":
    main()
