"""Measure the noise of a camera: python scripts/calibrate_noise.py frames=FOLDER."""

from denoise.cli.calibrate_noise import main

if __name__ == "__main__":
    main()
