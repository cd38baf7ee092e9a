"""What an image is like: the strength of its gradients, and how much it repeats itself."""

import numpy as np
from torch import Tensor

from denoise.data.crops import to_float

PATCH = 8  # pixels
STRIDE = 4
LARGEST = 192  # pixels: of larger images the centre is compared


def mean_gradient(image: Tensor) -> float:
    """Return the mean magnitude of the gradient in grey levels a pixel.

    Args:
        image: (C, H, W), of any depth.
    """
    grey = _grey(image)
    rows, columns = np.gradient(grey)
    return float(np.hypot(rows, columns).mean() * 255)


def self_similarity(image: Tensor) -> float:
    """Return the share of the patches' variance that the most similar other patch explains.

    Patches are 8 x 8, without their mean; other patches are those that do not overlap. 1 is an
    image that repeats itself, 0 one whose patches have nothing in common.

    Args:
        image: (C, H, W), of any depth, 17 pixels or more each way.
    """
    grey = _grey(image)
    top, left = (max(0, (length - LARGEST) // 2) for length in grey.shape)
    grey = grey[top : top + LARGEST, left : left + LARGEST]
    windows = np.lib.stride_tricks.sliding_window_view(grey, (PATCH, PATCH))[::STRIDE, ::STRIDE]
    rows, columns = windows.shape[:2]
    patches = windows.reshape(rows * columns, -1)
    patches = patches - patches.mean(1, keepdims=True)
    power = (patches**2).sum(1)
    distance = power[:, None] + power[None] - 2 * patches @ patches.T
    positions = np.stack(np.divmod(np.arange(len(patches)), columns), -1)
    near = (np.abs(positions[:, None] - positions[None]) * STRIDE < PATCH).all(-1)
    distance[near] = np.inf
    best = np.clip(distance.min(1), 0, power)
    return float(1 - best.sum() / power.sum()) if power.sum() > 0 else 1.0


def _grey(image: Tensor) -> np.ndarray:
    return to_float(image).double().mean(0).numpy()
