"""Restore pictures: python scripts/restore.py checkpoint=PATH input=photo.jpg output=clean.png."""

from denoise.cli.restore import main

if __name__ == "__main__":
    main()
