"""Measure a checkpoint: python evaluate.py checkpoint=PATH data=kodak24 sigma=[15,25,50]."""

from denoise.cli.evaluate import main

if __name__ == "__main__":
    main()
