from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from denoise.data.crops import Crops, WholeImages, to_float
from denoise.data.sets import ImageSet
from denoise.image_io.errors import ImageError

RNG = np.random.default_rng(0)


def take(count, batches):
    return list(islice(batches, count))


def make_set(sizes, channels=3, dtype=np.uint8, pairs=False):
    """Images whose pixels tell where they are, so that a crop can be found again."""
    names = [f"image{i}" for i in range(len(sizes))]
    high = np.iinfo(dtype).max + 1
    clean = [RNG.integers(0, high, (H, W, channels), dtype) for H, W in sizes]
    noisy = [high - 1 - image for image in clean] if pairs else None
    return ImageSet(names, [Path(f"{name}.png") for name in names], clean, channels, noisy)


def dihedral(crop):
    """The 8 flips and rotations of a (C, p, p) crop, made the obvious way."""
    for quarter in range(4):
        for flipped in (crop, crop[:, :, ::-1]):
            yield np.rot90(flipped, quarter, (1, 2))


def locate(crop, images):
    """Where a (C, p, p) crop lies: (image, top, left, transform)."""
    p = crop.shape[1]
    for number, transformed in enumerate(dihedral(crop)):
        for i, image in enumerate(images):
            image = image.transpose(2, 0, 1)
            starts = image[:, : image.shape[1] - p + 1, : image.shape[2] - p + 1]
            for _, y, x in zip(*np.nonzero(starts[:1] == transformed[0, 0, 0]), strict=True):
                if np.array_equal(image[:, y : y + p, x : x + p], transformed):
                    return i, y, x, number
    raise AssertionError("this crop is from none of the images")


def test_crops_come_from_everywhere_in_every_flip_and_rotation():
    images = make_set([(9, 12), (8, 8)])
    found = [
        locate(crop.numpy(), images.clean)
        for batch in take(30, Crops([images], patch=7, batch=16, seed=0))
        for crop in batch["clean"]
    ]
    assert {crop[0] for crop in found} == {0, 1}
    assert {crop[1:3] for crop in found if crop[0] == 0} == {
        (y, x) for y in range(3) for x in range(6)
    }
    assert {crop[3] for crop in found} == set(range(8))
    share = np.bincount([crop[3] for crop in found]) / len(found)
    assert share.min() > 0.08


def test_images_of_several_sets_are_chosen_alike():
    sets = [make_set([(8, 8)] * 3), make_set([(8, 8)])]
    clean = sets[0].clean + sets[1].clean
    batches = take(4, Crops(sets, patch=8, batch=100, seed=0))
    found = [locate(crop.numpy(), clean)[0] for batch in batches for crop in batch["clean"]]
    assert np.bincount(found).min() > 70


def test_noisy_crops_lie_where_the_clean_ones_do():
    pairs = make_set([(20, 30), (15, 11)], pairs=True)
    for batch in take(3, Crops([pairs], patch=10, batch=8, seed=0)):
        assert list(batch) == ["clean", "noisy", "number"]
        assert torch.equal(batch["noisy"], 255 - batch["clean"])


def test_batches_are_fixed_by_their_number():
    images = make_set([(30, 30)] * 2)
    options = {"sets": [images], "patch": 16, "batch": 4, "seed": 1}
    assert [batch["number"] for batch in take(6, Crops(**options, first=lambda: 2))] == [
        2,
        3,
        4,
        5,
        6,
        7,
    ]
    whole = [batch["clean"] for batch in take(6, Crops(**options))]
    resumed = [batch["clean"] for batch in take(4, Crops(**options, first=lambda: 2))]
    assert all(torch.equal(a, b) for a, b in zip(whole[2:], resumed[:4], strict=True))
    assert not any(torch.equal(whole[0], batch) for batch in [*whole[1:], *resumed])
    other_rank = next(iter(Crops(**options, rank=1)))["clean"]
    other_seed = next(iter(Crops(**{**options, "seed": 2})))["clean"]
    assert not torch.equal(whole[0], other_rank)
    assert not torch.equal(whole[0], other_seed)


def test_first_is_asked_as_every_pass_begins():
    done = 0
    crops = Crops([make_set([(30, 30)])], 8, 2, seed=0, first=lambda: done)
    loader = DataLoader(crops, batch_size=None)
    first = [batch["clean"] for batch in take(2, loader)]
    done = 2
    second = [batch["clean"] for batch in take(2, loader)]
    assert torch.equal(second[0], crops.draw(2)["clean"])
    assert not torch.equal(first[0], second[0])


def test_batches_do_not_share_memory():
    one, two = take(2, Crops([make_set([(9, 9)])], 8, 2, seed=0))
    assert one["clean"].is_contiguous()
    assert one["clean"].data_ptr() != two["clean"].data_ptr()


def test_8_bit_images_widen_beside_16_bit_ones():
    narrow, wide = make_set([(8, 8)]), make_set([(8, 8)], dtype=np.uint16)
    assert next(iter(Crops([narrow], 8, 1, seed=0)))["clean"].dtype == torch.uint8
    batch = next(iter(Crops([narrow, wide], patch=8, batch=20, seed=0)))
    assert batch["clean"].dtype == torch.uint16
    images = [narrow.clean[0].astype(np.uint16) * 257, wide.clean[0]]
    assert {locate(crop.numpy(), images)[0] for crop in batch["clean"]} == {0, 1}


def test_patch_schedule_holds_until_its_batches():
    crops = Crops([make_set([(40, 40)])], 32, 1, seed=0, patch_schedule=[[2, 8, 4], [5, 16, 2]])
    shapes = [tuple(batch["clean"].shape) for batch in take(6, crops)]
    assert shapes == [(4, 3, 8, 8)] * 2 + [(2, 3, 16, 16)] * 3 + [(1, 3, 32, 32)]
    assert tuple(crops.draw(10**9)["clean"].shape) == (1, 3, 32, 32)


def test_images_smaller_than_a_crop_are_named():
    images = make_set([(40, 40), (40, 15)])
    with pytest.raises(ImageError, match=r"image1\.png has 40x15 pixels.*crops of 16.*patch=15"):
        Crops([images], 16, 1, seed=0)
    with pytest.raises(ImageError, match=r"image1\.png .*crops of 32"):
        Crops([images], 8, 1, seed=0, patch_schedule=[[10, 32, 1]])


def test_sets_and_sizes_that_do_not_go_together():
    plain = make_set([(8, 8)])
    for others in ([make_set([(8, 8)], pairs=True)], [make_set([(8, 8)], channels=1)]):
        with pytest.raises(ValueError, match="agree in channels, and all or none be pairs"):
            Crops([plain, *others], 8, 1, seed=0)
    with pytest.raises(ValueError, match="no image set"):
        Crops([], 8, 1, seed=0)
    for patch_schedule in ([[5, 8, 1], [2, 8, 1]], [[5, 0, 1]]):
        with pytest.raises(ValueError, match="in order of until_batch"):
            Crops([plain], 8, 1, seed=0, patch_schedule=patch_schedule)
    with pytest.raises(ValueError, match="patch=0"):
        Crops([plain], 0, 1, seed=0)


def test_whole_images_one_by_one():
    sets = {"a": make_set([(5, 6), (9, 4)], pairs=True), "b": make_set([(7, 7)], 3, np.uint16)}
    for images in sets["a"].clean:
        images.setflags(write=False)
    items = list(DataLoader(WholeImages(sets, crop=None), batch_size=1))
    assert [(item["set"], item["name"]) for item in items] == [
        (["a"], ["image0"]),
        (["a"], ["image1"]),
        (["b"], ["image0"]),
    ]
    for item, image in zip(items, sets["a"].clean + sets["b"].clean, strict=True):
        np.testing.assert_array_equal(item["clean"][0], image.transpose(2, 0, 1))
    assert torch.equal(items[1]["noisy"], 255 - items[1]["clean"])
    assert "noisy" not in items[2]


def test_whole_images_are_cropped_to_their_centre():
    images = make_set([(9, 4)], channels=1)
    item = WholeImages({"a": images}, crop=5)[0]
    np.testing.assert_array_equal(item["clean"][0], images.clean[0][2:7, :, 0])


def test_to_float():
    for dtype in (torch.uint8, torch.uint16):
        top = torch.iinfo(dtype).max
        values = to_float(torch.tensor([0, 1, top - 1, top], dtype=dtype))
        expected = torch.tensor([0, 1 / top, 1 - 1 / top, 1], dtype=torch.float64)
        assert values.dtype == torch.float32
        torch.testing.assert_close(values.double(), expected, rtol=1e-7, atol=0)
    floats = torch.rand(3, dtype=torch.float64)
    assert to_float(floats) is floats
    with pytest.raises(ValueError, match=r"not torch\.int64"):
        to_float(torch.tensor([1]))


def test_images_are_drawn_by_their_weights():
    sets = [make_set([(8, 8)] * 3), make_set([(8, 8)] * 2), make_set([(8, 8)])]
    sets[1].weights = [3.0, 1.0]
    crops = Crops(sets, patch=8, batch=3000, seed=0)
    (clean,) = (batch["clean"] for batch in take(1, crops))
    totals = [image.sum() for one in sets for image in one.clean]
    found = clean.sum((1, 2, 3)).numpy()
    drawn = [np.mean(found == total) for total in totals]
    np.testing.assert_allclose(drawn, [1 / 6, 1 / 6, 1 / 6, 1 / 4, 1 / 12, 1 / 6], atol=0.03)


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_channels_that_are_no_colours_are_not_shuffled(channels):
    images = make_set([(8, 8)], channels)
    crops = Crops([images], patch=8, batch=20, seed=0, shuffle_channels=True)
    (batch,) = take(1, crops)
    means = images.clean[0].mean((0, 1))
    np.testing.assert_allclose(batch["clean"].double().mean((2, 3)), means[None].repeat(20, 0))
