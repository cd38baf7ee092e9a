"""Decide which option helps: python scripts/study.py study=attention."""

from denoise.cli.study import main

if __name__ == "__main__":
    main()
