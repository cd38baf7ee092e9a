"""Sets of images: folders, pairs of folders, and the photographs inside scikit-image."""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType

import numpy as np

from denoise.data.cache import decode
from denoise.data.pairing import find_partners, mismatch
from denoise.data.split import take
from denoise.image_io.errors import ImageError
from denoise.image_io.find_images import find_images
from denoise.image_io.read import read_image
from denoise.image_io.value_range import parse_range
from denoise.option_checks import check_choice, check_positive

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
        weights: How often each is drawn in training, relative to the others; None: all alike.

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
        weights: Sequence[float] | None = None,
    ) -> None:
        self.names, self.files, self.clean = list(names), list(files), list(clean)
        self.noisy = None if noisy is None else list(noisy)
        self.channels = channels
        self.weights = None if weights is None else list(weights)
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
        self.weights = None if self.weights is None else [self.weights[i] for i in kept]


def _by_page(name: str, images: Sequence[np.ndarray]) -> list[tuple[str, np.ndarray]]:
    """Name the images of a file: by the file where there is one, else by page from 1."""
    if len(images) == 1:
        return [(name, images[0])]
    return [(f"{name}_page{number}", image) for number, image in enumerate(images, 1)]


class Folder(ImageSet):
    """Every image below a folder, or several, in natural order; pages and frames one by one.

    Args:
        path: One folder or a list of them; a list file (.txt, .csv) stands for a folder.
        channels: 1 for grey, 3 for RGB, or those of the files.
        weights: For each folder, the share of the training's crops that come from it, relative to
            the others; None draws all images alike.
        range: "auto", "percentile" or [low, high]: the values that are black and white.
        split: "train", "val" or "test" share of the images, see `denoise.data.split.take`.
        cache_dir: As the following, see `denoise.data.cache.decode`.
        memory_limit: In MiB.
        on_error: "raise" or "skip".

    Raises:
        ImageError: If an image cannot be used.
        ValueError: If a folder is missing or empty, or the weights are no positive numbers, one for
            each folder.
    """

    def __init__(
        self,
        *,
        path: str | Sequence[str],
        channels: int,
        weights: Sequence[float] | None = None,
        range: str | Sequence[float] = "auto",
        split: str | None = None,
        cache_dir: str | None = None,
        memory_limit: float = 4096,
        on_error: str = "raise",
    ) -> None:
        folders = [Path(one) for one in ([path] if isinstance(path, str | Path) else path)]
        if weights is not None:
            check_positive(**{f"weights[{i}]": one for i, one in enumerate(weights)})
            if len(weights) != len(folders):
                raise ValueError(f"{len(weights)} weights for {len(folders)} folders: give as many")
        found, origin = {}, {}
        for number, folder in enumerate(folders):
            prefix = f"{number}_{folder.name}/" if len(folders) > 1 else ""
            for name, file in find_images(folder, folder.name).items():
                found[prefix + name] = file
                origin[prefix + name] = number
        found = take(found, split)
        images, skipped = decode(
            list(found.values()), channels, cache_dir=cache_dir, memory_limit=memory_limit,
            on_error=on_error, value_range=parse_range(range),
        )  # fmt: skip
        names, files, clean, folder_of = [], [], [], []
        for name, file in found.items():
            for page, image in _by_page(name, images.get(file, [])):
                names.append(page)
                files.append(file)
                clean.append(image)
                folder_of.append(origin[name])
        counts = Counter(folder_of)
        shares = weights and [weights[number] / counts[number] for number in folder_of]
        super().__init__(names, files, clean, channels, skipped=skipped, weights=shares)


class Pairs(ImageSet):
    """Noisy and clean images: of two folders, of the same names, by a pattern, or by a list.

    Args:
        noisy: Folder of the noisy images, or a pattern such as photos/*_NOISY_*; with a list file
            as clean, null.
        clean: Folder of the clean ones; a pattern, in which the asterisks stand for the same text;
            or a list file (.txt, .csv) of lines "noisy,clean", relative to it.
        channels: 1 for grey, 3 for RGB, or those of the files.
        range: As for `Folder`.
        split: Likewise.
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
        noisy: str | None,
        clean: str,
        channels: int,
        range: str | Sequence[float] = "auto",
        split: str | None = None,
        cache_dir: str | None = None,
        memory_limit: float = 4096,
        on_error: str = "raise",
    ) -> None:
        inputs, targets = find_partners(noisy, clean)
        targets = take(targets, split)
        read = partial(
            decode, cache_dir=cache_dir, memory_limit=memory_limit, on_error=on_error,
            value_range=parse_range(range),
        )  # fmt: skip
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
            error = error or mismatch(source, images[source], images[target])
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
