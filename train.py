"""Train a denoiser and measure it: python train.py attention=swin norm=dyt."""

from denoise.cli.train import main

if __name__ == "__main__":
    main()
