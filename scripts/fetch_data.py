"""Download public image sets: python scripts/fetch_data.py kodak24; goes on where it stopped."""

from denoise.cli.fetch_data import main

if __name__ == "__main__":
    main()
