"""Measure speed and memory, interleaved: python scripts/benchmark.py model."""

from denoise.cli.benchmark import main

if __name__ == "__main__":
    main()
