"""A page to try a model on: python scripts/demo.py checkpoint=PATH, then open the address shown."""

from denoise.cli.demo import main

if __name__ == "__main__":
    main()
