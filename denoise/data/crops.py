"""Images as tensors: random crops to train on, whole images to measure on."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, IterableDataset

from denoise.data.sets import ImageSet
from denoise.image_io.errors import ImageError
from denoise.option_checks import check_positive


class Stage(NamedTuple):
    """The size of crops and batches for the batches before the number `until_batch`."""

    until_batch: float
    patch: int
    batch: int


class Crop(NamedTuple):
    """One crop: its image and corner, and its transformation."""

    image: int
    corner: tuple[int, int]
    dihedral: int  # one of the 8 flips and rotations, as bits: flip rows, flip columns, transpose
    colours: np.ndarray  # the order of its channels


class Crops(IterableDataset):
    """Endless whole batches of random crops, each in one of the 8 flips and rotations.

    A batch depends on its number and the seed alone, so a resumed run sees the same ones; use it
    with `DataLoader(crops, batch_size=None)`. Batches are dicts of their `number`, `clean` and, for
    pairs, `noisy`: (batch, C, patch, patch), uint8, or uint16 as soon as one image is.

    Args:
        sets: Images to choose from, by their weights or all with the same probability.
        patch: Height and width of a crop in pixels.
        batch: Crops in a batch.
        seed: Of all batches.
        first: Returns the number of the first batch of a pass.
        patch_schedule: Entries of (until_batch, patch, batch), each for the batches before the
            number until_batch; patch and batch hold after the last.
        rank: Number of the process; each draws its own batches.
        shuffle_channels: Whether the colours of a crop are permuted: for few photographs.

    Raises:
        ImageError: If an image is smaller than a crop.
        ValueError: If the sets do not go together, or a size is not positive.
    """

    def __init__(
        self,
        sets: Sequence[ImageSet],
        patch: int,
        batch: int,
        seed: int,
        first: Callable[[], int] = lambda: 0,
        patch_schedule: Sequence[Sequence[int]] = (),
        rank: int = 0,
        shuffle_channels: bool = False,
    ) -> None:
        super().__init__()
        if not sets:
            raise ValueError("no image set to train on: choose one with data@train=...")
        if len({(one.channels, one.noisy is None) for one in sets}) > 1:
            raise ValueError("sets of one run must agree in channels, and all or none be pairs")
        check_positive(patch=patch, batch=batch)
        try:
            entries = [*map(tuple, patch_schedule), (float("inf"), patch, batch)]
            untils = [entry[0] for entry in entries]
            fits = untils == sorted(set(untils)) and all(
                len(entry) == 3 and min(entry) >= 1 for entry in entries
            )
        except TypeError:
            fits = False
        if not fits:
            raise ValueError(
                f"progressive={patch_schedule}: entries are [until_batch, patch, batch], positive "
                "and in order of until_batch"
            )
        self.patch_schedule = [Stage(until, int(p), int(b)) for until, p, b in entries]
        largest = max(stage.patch for stage in self.patch_schedule)
        for one in sets:
            for file, image in zip(one.files, one.clean, strict=True):
                if min(image.shape[:2]) < largest:
                    raise ImageError(
                        f"{file} has {image.shape[0]}x{image.shape[1]} pixels, less than crops of "
                        f"{largest}: set patch={min(image.shape[:2])} or less, or remove it"
                    )
        self.images = {"clean": [image for one in sets for image in one.clean]}
        if sets[0].noisy is not None:
            self.images["noisy"] = [image for one in sets for image in one.noisy or ()]
        self.channels, self.seed = sets[0].channels, seed
        self.first, self.rank = first, rank
        self.shuffle_channels = shuffle_channels and self.channels == 3
        self.shares = _shares(sets)
        arrays = [image for column in self.images.values() for image in column]
        self.dtype = np.result_type(*{image.dtype for image in arrays})
        self.sizes = np.array([image.shape[:2] for image in self.images["clean"]])

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for number in count(self.first()):
            yield {**self.draw(number), "number": number}

    def draw(self, number: int) -> dict[str, Tensor]:
        """Return the images of the batch of this number."""
        _, patch, batch = next(stage for stage in self.patch_schedule if number < stage.until_batch)
        rng = np.random.default_rng((self.seed, self.rank, number))
        if self.shares is None:
            chosen = rng.integers(len(self.sizes), size=batch)
        else:
            chosen = rng.choice(len(self.sizes), size=batch, p=self.shares)
        corners = rng.integers(self.sizes[chosen] - patch + 1)
        dihedral = rng.integers(8, size=batch)
        colours = np.tile(np.arange(self.channels), (batch, 1))
        if self.shuffle_channels:
            colours = rng.permuted(colours, axis=1)
        columns = (chosen.tolist(), corners.tolist(), dihedral.tolist(), colours)
        crops = [Crop(*row) for row in zip(*columns, strict=True)]
        return {key: self._cut(images, patch, crops) for key, images in self.images.items()}

    def _cut(self, images: Sequence[np.ndarray], patch: int, crops: Sequence[Crop]) -> Tensor:
        batch = np.empty((len(crops), self.channels, patch, patch), self.dtype)
        for k, (image, (top, left), dihedral, colours) in enumerate(crops):
            # copied first: transforming a crop within the processor's cache is twice as fast
            pixels = images[image][top : top + patch, left : left + patch].copy()
            if pixels.dtype != self.dtype:
                pixels = pixels * self.dtype.type(257)
            if dihedral & 1:
                pixels = pixels[::-1]
            if dihedral & 2:
                pixels = pixels[:, ::-1]
            batch[k] = pixels.transpose((2, 1, 0) if dihedral & 4 else (2, 0, 1))[colours]
        return torch.from_numpy(batch)


def _shares(sets: Sequence[ImageSet]) -> np.ndarray | None:
    """Return the probability of each image; None where all have the same."""
    if all(one.weights is None for one in sets):
        return None
    # Sets without weights keep what they have without those of others: their share of all images.
    parts = [np.array(one.weights or [1.0] * len(one)) for one in sets]
    total = sum(map(len, sets))
    return np.concatenate([p / p.sum() * len(p) / total for p in parts])


class WholeImages(Dataset):
    """Images one by one: dicts of `set`, `name`, `clean` and, for pairs, `noisy`, (C, H, W).

    Args:
        sets: Image sets by name.
        crop: Larger images are cropped to their centre of this size in pixels; None keeps them.
    """

    def __init__(self, sets: Mapping[str, ImageSet], crop: int | None) -> None:
        self.crop = crop
        self.items = [(name, one, i) for name, one in sets.items() for i in range(len(one))]

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> dict[str, Any]:
        name, images, i = self.items[index]
        item: dict[str, Any] = {"set": name, "name": images.names[i]}
        item["clean"] = self._tensor(images.clean[i])
        if images.noisy is not None:
            item["noisy"] = self._tensor(images.noisy[i])
        return item

    def _tensor(self, image: np.ndarray) -> Tensor:
        H, W = image.shape[:2]
        height, width = min(H, self.crop or H), min(W, self.crop or W)
        top, left = (H - height) // 2, (W - width) // 2
        cropped = image[top : top + height, left : left + width]
        return torch.from_numpy(cropped.transpose(2, 0, 1).copy())


def to_float(batch: Tensor) -> Tensor:
    """Return images of any depth as floats in [0, 1], on their device.

    Args:
        batch: uint8, uint16, or floats, which stay as they are.

    Raises:
        ValueError: If they are anything else.
    """
    if batch.is_floating_point():
        return batch
    if batch.dtype not in (torch.uint8, torch.uint16):
        raise ValueError(f"images are uint8, uint16 or floats, not {batch.dtype}")
    return batch.float() / torch.iinfo(batch.dtype).max
