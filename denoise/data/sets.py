"""Sets of images: folders, pairs of folders, and the photographs inside scikit-image."""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from denoise.data.cache import decode
from denoise.image_io.listing import list_images
from denoise.image_io.read import ImageError

_COLOUR = {
    "train": (
        "astronaut.png",
        "motorcycle_left.png",
        "motorcycle_right.png",
        "retina.jpg",
        "hubble_deep_field.jpg",
        "ihc.png",
    ),
    "val": ("rocket.jpg",),
    "test": ("chelsea.png", "coffee.png"),
}
_GREY = {
    "train": ("brick.png", "grass.png", "gravel.png", "coins.png", "moon.png"),
    "val": (),
    "test": ("camera.png",),
}


class ImageSet:
    """Decoded images with their names; each is (H, W, channels), uint8 or uint16.

    Where an image is an error instead, it and its partner are left out, counted in `skipped`.

    Args:
        names: One for each image.
        files: The file each clean image came from.
        clean: The images.
        channels: Of every image.
        noisy: The noisy partner of each clean image, if there is one.

    Raises:
        ValueError: If no image is left.
    """

    def __init__(
        self,
        names: Sequence[str],
        files: Sequence[Path],
        clean: Sequence[np.ndarray | ImageError],
        channels: int,
        noisy: Sequence[np.ndarray | ImageError] | None = None,
    ) -> None:
        columns = (names, files, clean) if noisy is None else (names, files, clean, noisy)
        errors = [
            next((image for image in images if isinstance(image, ImageError)), None)
            for _, _, *images in zip(*columns, strict=True)
        ]
        good = [i for i, error in enumerate(errors) if error is None]
        self.names = [names[i] for i in good]
        self.files = [files[i] for i in good]
        self.clean = [clean[i] for i in good]
        self.noisy = None if noisy is None else [noisy[i] for i in good]
        self.channels = channels
        self.skipped = [str(files[i]) for i, error in enumerate(errors) if error]
        if self.skipped:
            first = next(filter(None, errors))
            summary = f"skipped {len(self.skipped)} of {len(names)} images, the first: {first}"
            if not good:
                raise ValueError(summary)
            logging.getLogger("denoise").warning(summary)

    def __len__(self) -> int:
        return len(self.names)


class Folder(ImageSet):
    """Every image below a folder, or several, in natural order.

    Args:
        path: One folder or a list of them.
        channels: 1 for grey, 3 for RGB.
        cache_dir: As the following, see `denoise.data.cache.decode`.
        memory_limit: In MiB.
        on_error: "raise" or "skip".

    Raises:
        ImageError: If an image cannot be used.
        ValueError: If a folder is missing or empty.
    """

    def __init__(
        self,
        *,
        path: str | Sequence[str],
        channels: int,
        cache_dir: str | None = None,
        memory_limit: float = 4096,
        on_error: str = "raise",
    ) -> None:
        folders = [Path(one) for one in ([path] if isinstance(path, str | Path) else path)]
        found = {}
        for number, folder in enumerate(folders):
            prefix = f"{number}_{folder.name}/" if len(folders) > 1 else ""
            found |= {
                prefix + name: file for name, file in list_images(folder, folder.name).items()
            }
        names, files = list(found), list(found.values())
        options = {"cache_dir": cache_dir, "memory_limit": memory_limit, "on_error": on_error}
        super().__init__(names, files, decode(files, channels, **options), channels)


class Pairs(ImageSet):
    """Photographs in two folders, noisy and clean, with the same name in both.

    Args:
        noisy: Folder of the noisy images.
        clean: Folder of the clean ones.
        channels: 1 for grey, 3 for RGB.
        cache_dir: As the following, see `denoise.data.cache.decode`.
        memory_limit: In MiB, for each folder.
        on_error: "raise" or "skip".

    Raises:
        ImageError: If an image cannot be used, or differs from its partner in size.
        ValueError: If a folder is missing or empty, or an image has no partner.
    """

    def __init__(
        self,
        *,
        noisy: str,
        clean: str,
        channels: int,
        cache_dir: str | None = None,
        memory_limit: float = 4096,
        on_error: str = "raise",
    ) -> None:
        before, after = (list_images(Path(one), Path(one).parent.name) for one in (noisy, clean))
        if single := sorted(before.keys() ^ after.keys()):
            raise ValueError(
                f"{len(single)} images are only in one of {noisy} and {clean}: "
                f"{', '.join(single[:3])}; pairs need the same name in both"
            )
        files = [before[name] for name in after], list(after.values())
        options = {"cache_dir": cache_dir, "memory_limit": memory_limit, "on_error": on_error}
        inputs, targets = (decode(column, channels, **options) for column in files)
        for i, (one, two) in enumerate(zip(inputs, targets, strict=True)):
            sizes = [image.shape[:2] for image in (one, two) if isinstance(image, np.ndarray)]
            if len(set(sizes)) > 1:
                problem = ImageError(
                    f"{files[0][i]} has {sizes[0][0]}x{sizes[0][1]} pixels but its partner "
                    f"{sizes[1][0]}x{sizes[1][1]}: remove the pair, or pass on_error=skip"
                )
                if on_error == "raise":
                    raise problem
                inputs[i] = problem
        super().__init__(list(after), files[1], targets, channels, inputs)


class Samples(ImageSet):
    """The photographs inside scikit-image's package, split by name once and for all.

    Args:
        split: "train", "val" or "test".
        channels: 1 takes all in grey; 3 takes those in colour and, to train, the grey ones too.

    Raises:
        ValueError: If there is no such split.
    """

    def __init__(self, *, split: str, channels: int) -> None:
        import skimage

        if split not in _COLOUR:
            raise ValueError(f"split={split}, but samples have {', '.join(_COLOUR)}")
        names = _COLOUR[split], (() if channels == 3 and split != "train" else _GREY[split])
        folder = Path(skimage.__file__).parent / "data"
        files = [[folder / name for name in kind] for kind in names]
        colour, grey = (
            decode(kind, depth, cache_dir=None, memory_limit=0, on_error="raise")
            for kind, depth in zip(files, (channels, 1), strict=True)
        )
        images = colour + [image.repeat(channels, axis=2) for image in grey]
        files = files[0] + files[1]
        super().__init__([file.stem for file in files], files, images, channels)
