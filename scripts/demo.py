"""Serve a page to try a model on: python scripts/demo.py checkpoint=PATH."""

from denoise.cli.demo import main

if __name__ == "__main__":
    main()
