"""Image denoising with exchangeable attention and norms: compare, train, restore.

    import denoise

    model = denoise.load("best.ckpt")
    restored = model(noisy)

Conventions of the whole package. Images are float tensors in [0, 1] of shape (B, C, H, W); they
are named `noisy`, `clean` and `restored`. The strength of noise, `sigma`, is a standard deviation
in grey levels of 0-255 in every config and every signature; only `denoise.noise` converts it.
Shape letters: B batch, C channels, H height, W width, N heads, D width of a head, T tokens. Metrics
are per image, of shape (B,). Everything random takes a generator.
"""

from importlib import import_module, metadata
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from denoise.api import DenoisingModel, build, load, options

__all__ = ["DenoisingModel", "__version__", "build", "load", "options"]

try:
    __version__ = metadata.version("denoise")
except metadata.PackageNotFoundError:  # a checkout that is not installed
    __version__ = "0+unknown"


def __getattr__(name: str) -> Any:
    # The API imports torch and Hydra: only once it is asked for.
    if name in __all__:
        return getattr(import_module("denoise.api"), name)
    raise AttributeError(f"module 'denoise' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
