"""Sets of images: folders, pairs of folders, and the photographs inside scikit-image."""

import logging
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType

import numpy as np

from denoise.data.cache import decode
from denoise.data.split import take
from denoise.image_io.errors import ImageError
from denoise.image_io.find_images import find_images
from denoise.image_io.read import read_image
from denoise.option_checks import check_choice

_COLOUR: dict[str, tuple[str, ...]] = {
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
_GREY: dict[str, tuple[str, ...]] = {
    "train": ("brick.png", "grass.png", "gravel.png", "coins.png", "moon.png"),
    "val": (),
    "test": ("camera.png",),
}


class ImageSet:
    """Decoded images with their names; each is (H, W, channels), uint8 or uint16.

    Args:
        names: One for each image.
        files: The file each clean image came from.
        clean: The images.
        channels: Of every image.
        noisy: The noisy partner of each clean image, if there is one.
        skipped: By clean file, why an image or its partner was left out; logged as one warning.

    Raises:
        ValueError: If all images were skipped.
    """

    def __init__(
        self,
        names: Sequence[str],
        files: Sequence[Path],
        clean: Sequence[np.ndarray],
        channels: int,
        noisy: Sequence[np.ndarray] | None = None,
        skipped: Mapping[Path, ImageError] = MappingProxyType({}),
    ) -> None:
        self.names, self.files, self.clean = list(names), list(files), list(clean)
        self.noisy = None if noisy is None else list(noisy)
        self.channels = channels
        self.skipped = [str(file) for file in skipped]
        for error in skipped.values():
            logging.getLogger("denoise").warning("skipped: %s", error)
        if skipped and not names:
            first = next(iter(skipped.values()))
            raise ValueError(f"none of {len(skipped)} images can be used, the first: {first}")

    def __len__(self) -> int:
        return len(self.names)

    def require_size(self, smallest: int, purpose: str, on_error: str) -> None:
        """Refuse images that are too small for a purpose, or leave them out.

        Args:
            smallest: Height and width that an image needs, in pixels.
            purpose: What needs it, for the message.
            on_error: "raise" or "skip".

        Raises:
            ImageError: If one is smaller and errors are raised, or all are.
        """
        kept = []
        for index, (file, image) in enumerate(zip(self.files, self.clean, strict=True)):
            if min(image.shape[:2]) >= smallest:
                kept.append(index)
                continue
            self.skipped.append(str(file))
            message = (
                f"{file} has {image.shape[0]}x{image.shape[1]} pixels, less than {purpose} of "
                f"{smallest}"
            )
            if on_error == "raise":
                raise ImageError(f"{message}: remove it; on_error=skip leaves such files out")
            logging.getLogger("denoise").warning("skipped: %s", message)
        if not kept:
            raise ImageError(f"no image is as large as {purpose} of {smallest} pixels")
        self.names, self.files = [self.names[i] for i in kept], [self.files[i] for i in kept]
        self.clean = [self.clean[i] for i in kept]
        self.noisy = None if self.noisy is None else [self.noisy[i] for i in kept]


def _by_page(name: str, images: Sequence[np.ndarray]) -> list[tuple[str, np.ndarray]]:
    """Name the images of a file: by the file where there is one, else by page from 1."""
    if len(images) == 1:
        return [(name, images[0])]
    return [(f"{name}_page{number}", image) for number, image in enumerate(images, 1)]


class Folder(ImageSet):
    """Every image below a folder, or several, in natural order; pages of a TIFF one by one.

    Args:
        path: One folder or a list of them.
        channels: 1 for grey, 3 for RGB.
        split: "train", "val" or "test" share of the images, see `denoise.data.split.take`.
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
        split: str | None = None,
        cache_dir: str | None = None,
        memory_limit: float = 4096,
        on_error: str = "raise",
    ) -> None:
        folders = [Path(one) for one in ([path] if isinstance(path, str | Path) else path)]
        found = {}
        for number, folder in enumerate(folders):
            prefix = f"{number}_{folder.name}/" if len(folders) > 1 else ""
            for name, file in find_images(folder, folder.name).items():
                found[prefix + name] = file
        found = take(found, split)
        read = partial(decode, cache_dir=cache_dir, memory_limit=memory_limit, on_error=on_error)
        images, skipped = read(list(found.values()), channels)
        names, files, clean = [], [], []
        for name, file in found.items():
            for page, image in _by_page(name, images.get(file, [])):
                names.append(page)
                files.append(file)
                clean.append(image)
        super().__init__(names, files, clean, channels, skipped=skipped)


class Pairs(ImageSet):
    """Photographs in two folders, noisy and clean, with the same name in both.

    Args:
        noisy: Folder of the noisy images.
        clean: Folder of the clean ones.
        channels: 1 for grey, 3 for RGB.
        split: As for `Folder`.
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
        split: str | None = None,
        cache_dir: str | None = None,
        memory_limit: float = 4096,
        on_error: str = "raise",
    ) -> None:
        if Path(noisy).resolve() == Path(clean).resolve():
            raise ValueError(
                f"{noisy} is given as noisy and as clean: give two folders, or, to add noise, "
                "data=folder"
            )
        inputs, targets = (find_images(Path(one), Path(one).parent.name) for one in (noisy, clean))
        if single := sorted(inputs.keys() ^ targets.keys()):
            raise ValueError(
                f"{len(single)} images are only in one of {noisy} and {clean}: "
                f"{', '.join(single[:3])}; pairs need the same name in both"
            )
        targets = take(targets, split)
        read = partial(decode, cache_dir=cache_dir, memory_limit=memory_limit, on_error=on_error)
        images: dict[Path, list[np.ndarray]] = {}
        errors: dict[Path, ImageError] = {}
        for files in ([inputs[name] for name in targets], list(targets.values())):
            decoded, failed = read(files, channels)
            images |= decoded
            errors |= failed
        names, files, clean_images, noisy_images, skipped = [], [], [], [], {}
        for name, target in targets.items():
            source = inputs[name]
            error = errors.get(target) or errors.get(source)
            error = error or _mismatch(source, images[source], images[target])
            if error is not None:
                if on_error == "raise":
                    raise error
                skipped[target] = error
                continue
            names += [page for page, _ in _by_page(name, images[target])]
            files += [target] * len(images[target])
            clean_images += images[target]
            noisy_images += images[source]
        if names and all(map(np.array_equal, noisy_images, clean_images)):
            raise ValueError(f"the images of {noisy} and {clean} are the same: give noisy ones")
        super().__init__(names, files, clean_images, channels, noisy_images, skipped)


def _mismatch(
    file: Path, noisy: Sequence[np.ndarray], clean: Sequence[np.ndarray]
) -> ImageError | None:
    """Return the error of a pair whose images differ in number or size."""
    if len(noisy) != len(clean):
        return ImageError(
            f"{file} has {len(noisy)} images but its partner {len(clean)}: remove the pair, or "
            "pass on_error=skip"
        )
    for one, other in zip(noisy, clean, strict=True):
        if one.shape != other.shape:
            return ImageError(
                f"{file} has {one.shape[0]}x{one.shape[1]} pixels but its partner "
                f"{other.shape[0]}x{other.shape[1]}: remove the pair, or pass on_error=skip"
            )
    return None


class Photographs(ImageSet):
    """The photographs inside scikit-image's package, split by name once and for all.

    Args:
        split: "train", "val" or "test".
        channels: 1 takes all in grey; 3 takes those in colour and, to train, the grey ones too.

    Raises:
        ValueError: If there is no such split.
    """

    def __init__(self, *, split: str, channels: int) -> None:
        import skimage

        check_choice(_COLOUR, split=split)
        folder = Path(skimage.__file__).parent / "data"
        colour = [folder / name for name in _COLOUR[split]]
        grey = [folder / name for name in _GREY[split] if channels != 3 or split == "train"]
        clean = [read_image(file, channels) for file in colour]
        clean += [read_image(file, 1).repeat(channels, axis=2) for file in grey]
        files = colour + grey
        super().__init__([file.stem for file in files], files, clean, channels)
