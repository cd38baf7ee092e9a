"""Restore a picture: python docs/examples/restore_picture.py CHECKPOINT NOISY.png CLEAN.png"""

import sys

import numpy as np
from PIL import Image

import denoise

checkpoint, noisy, clean = sys.argv[1:]

model = denoise.load(checkpoint)
image = np.asarray(Image.open(noisy).convert("RGB"))  # (H, W, 3), uint8
restored = model(image)  # the same shape and type

Image.fromarray(restored).save(clean)
difference = np.abs(restored.astype(float) - image).mean()
print(f"{clean}: changed by {difference:.2f} grey levels on average")
