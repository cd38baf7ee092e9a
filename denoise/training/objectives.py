"""What a step of training minimises: with clean images, or from noisy ones alone."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Generator, Tensor, nn

from denoise.data.sets import ImageSet
from denoise.noise.estimation import model_sigma
from denoise.noise.synthetic import Noise, NoNoise, normal, sigma_to_unit, uniform
from denoise.option_checks import check_positive

Net = Callable[[Tensor, Tensor], Tensor]


@dataclass
class Sample:
    """A batch of crops.

    Args:
        noisy: Images, (B, C, H, W).
        clean: Likewise; of objectives without clean images only the second shot, if at all.
        level: Noise level that the net is given in use as well, as `model_sigma` returns it.
        again: Draws the noise once more: (B, C, H, W).
        generator: Source of all further randomness.
    """

    noisy: Tensor
    clean: Tensor
    level: Tensor
    again: Callable[[], Tensor]
    generator: Generator


class Objective(ABC):
    """Base class of objectives.

    Attributes:
        needs_target: Whether noisy images alone do not suffice.
    """

    needs_target = False

    @abstractmethod
    def __call__(self, net: Net, sample: Sample, loss: nn.Module) -> Tensor:
        """Return the scalar that training minimises.

        Args:
            net: Maps noisy (B, C, H, W) and sigma (B,) to restored.
            sample: A batch of crops.
            loss: Maps two (B, C, H, W) to a scalar.
        """


class Supervised(Objective):
    """The restored against the clean image."""

    needs_target = True

    def __call__(self, net: Net, sample: Sample, loss: nn.Module) -> Tensor:
        """See `Objective.__call__`."""
        return loss(net(sample.noisy, sample.level), sample.clean)


class Noise2Noise(Objective):
    """The restored image against a second noisy one (Lehtinen et al. 2018, arXiv 1803.04189).

    That is another draw of synthetic noise, or the partner in a set of pairs. Use a loss whose
    minimum is the mean, such as mse; l1 leads to the median.
    """

    needs_target = True

    def __call__(self, net: Net, sample: Sample, loss: nn.Module) -> Tensor:
        """See `Objective.__call__`."""
        return loss(net(sample.noisy, model_sigma(sample.noisy, None, net)), sample.again())


class Neighbor2Neighbor(Objective):
    """One half of an image's neighbours from the other (Huang et al. 2021, arXiv 2101.02824).

    For noise that is independent from pixel to pixel: not for developed photographs or JPEGs.

    Args:
        gamma: Weight of the difference that the two halves have in the restored full image.
    """

    def __init__(self, gamma: float = 2.0) -> None:
        if gamma < 0:
            raise ValueError(f"gamma={gamma} is a weight: give 0 or more")
        self.gamma = gamma

    def __call__(self, net: Net, sample: Sample, loss: nn.Module) -> Tensor:
        """See `Objective.__call__`."""
        noisy, level = sample.noisy, model_sigma(sample.noisy, None, net)
        pick = neighbors(noisy, sample.generator)
        first, second = pick(noisy)
        restored = net(first, level)
        with torch.no_grad():
            full_first, full_second = pick(net(noisy, level))
        return loss(restored, second) + self.gamma * loss(
            restored - full_first, second - full_second
        )


class Noise2Void(Objective):
    """Pixels from their surroundings alone (Krull et al. 2019, arXiv 1811.10980).

    Some pixels are replaced by one of their neighbours; the loss is of these alone. For noise that
    is independent from pixel to pixel.

    Args:
        share: Of the pixels, that are replaced.
        radius: Of the window from which the neighbour is drawn, in pixels.
    """

    def __init__(self, share: float = 0.02, radius: int = 2) -> None:
        if not 0 < share < 1 or radius < 1 or not isinstance(radius, int):
            raise ValueError(f"share={share}, radius={radius}: give 0 < share < 1, radius from 1")
        self.share, self.radius = share, radius

    def __call__(self, net: Net, sample: Sample, loss: nn.Module) -> Tensor:
        """See `Objective.__call__`."""
        noisy, level = sample.noisy, model_sigma(sample.noisy, None, net)
        hidden, masked = self.hide(noisy, sample.generator)
        restored = net(masked, level)
        chosen = hidden.expand_as(noisy)
        return loss(restored[chosen], noisy[chosen])

    def hide(self, noisy: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
        """Return where pixels are hidden, (B, 1, H, W), and the image with neighbours there."""
        B, C, H, W = noisy.shape
        hidden = uniform((B, 1, H, W), noisy, generator) < self.share
        hidden[..., H // 2, W // 2] |= ~hidden.any((1, 2, 3))[:, None]  # never none
        side = 2 * self.radius + 1
        step = (uniform((B, 1, H, W), noisy, generator) * (side**2 - 1)).long()
        step = step.clamp_max(side**2 - 2)
        step = step + (step >= side**2 // 2)  # never the pixel itself
        rows = torch.arange(H, device=noisy.device)[:, None] + step // side - self.radius
        columns = torch.arange(W, device=noisy.device) + step % side - self.radius
        index = _reflect(rows, H) * W + _reflect(columns, W)
        # Mirrored at a border, a step may lead back to where it began.
        own = torch.arange(H * W, device=noisy.device).view(H, W)
        at_end = (own + 1) % (W if W > 1 else H) == 0
        beside = (own + 1 - 2 * at_end.long()).clamp_min(0)  # itself in an image of one pixel
        index = torch.where(index == own, beside, index)
        neighbor = noisy.flatten(2).gather(2, index.flatten(2).expand(-1, C, -1)).view_as(noisy)
        return hidden, torch.where(hidden, neighbor, noisy)


class Recorrupted(Objective):
    """An image with more noise against one with the opposite (Pang et al. 2021).

    "Recorrupted-to-Recorrupted", CVPR 2021: for Gaussian noise of a known level the two errors are
    independent.

    Args:
        sigma: Of the noise in grey levels; None estimates it in each crop.
        alpha: Of the added noise, over that of the image.
    """

    def __init__(self, sigma: float | None = None, alpha: float = 0.5) -> None:
        check_positive(alpha=alpha)
        self.sigma, self.alpha = sigma, alpha

    def __call__(self, net: Net, sample: Sample, loss: nn.Module) -> Tensor:
        """See `Objective.__call__`."""
        noisy = sample.noisy
        level = model_sigma(noisy, self.sigma)
        field = sigma_to_unit(level)[:, None, None, None] * normal(
            noisy.shape, noisy, sample.generator
        )
        # What the net sees has more noise than the image.
        seen = level * (1 + self.alpha**2) ** 0.5
        return loss(net(noisy + self.alpha * field, seen), noisy - field / self.alpha)


class SURE(Objective):
    """Stein's unbiased estimate of the squared error (Ramani et al. 2008).

    "Monte-Carlo SURE", IEEE Transactions on Image Processing 17(9): for Gaussian noise of a known
    level; the divergence is taken along one random direction. The loss of the config is not used.

    Args:
        sigma: Of the noise in grey levels; None estimates it in each crop.
        step: Length of the difference that stands for the derivative.
    """

    def __init__(self, sigma: float | None = None, step: float = 1e-3) -> None:
        check_positive(step=step)
        self.sigma, self.step = sigma, step

    def __call__(self, net: Net, sample: Sample, loss: nn.Module) -> Tensor:
        """See `Objective.__call__`."""
        noisy = sample.noisy
        level = model_sigma(noisy, self.sigma)
        variance = sigma_to_unit(level).square()
        direction = normal(noisy.shape, noisy, sample.generator)
        with torch.autocast(noisy.device.type, enabled=False):  # the step is below bfloat16's
            restored = net(noisy, level)
            change = net(noisy + self.step * direction, level) - restored
        divergence = (direction * change / self.step).mean((1, 2, 3))
        error = (restored - noisy).square().mean((1, 2, 3))
        return (error + 2 * variance * divergence - variance).mean()


def check_objective(objective: Objective, noise: Noise, train: Mapping[str, ImageSet]) -> None:
    """Refuse an objective that needs what the images do not hold.

    Raises:
        ValueError: If images are noisy as they are, and a clean or second one is needed.
    """
    alone = [name for name, images in train.items() if images.noisy is None]
    if objective.needs_target and isinstance(noise, NoNoise) and alone:
        raise ValueError(
            f"the images of {', '.join(alone)} are noisy as they are (noise=none), and this "
            "objective needs a clean or a second one: choose objective=neighbor2neighbor, "
            "noise2void, r2r or sure, or pairs"
        )


def neighbors(like: Tensor, generator: Generator) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
    """Choose two neighbours in every cell of 2 x 2 pixels; return what takes them of an image."""
    B, C, H, W = like.shape
    pairs = torch.tensor(
        [(0, 1), (0, 2), (1, 3), (2, 3), (1, 0), (2, 0), (3, 1), (3, 2)], device=like.device
    )
    drawn = (uniform((B, H // 2, W // 2), like, generator) * len(pairs)).long()
    chosen = pairs[drawn.clamp_max(len(pairs) - 1)]

    def pick(images: Tensor) -> tuple[Tensor, Tensor]:
        cells = images[..., : H // 2 * 2, : W // 2 * 2].unfold(2, 2, 2).unfold(3, 2, 2).flatten(4)
        first, second = (
            cells.gather(4, chosen[:, None, :, :, n, None].expand(-1, C, -1, -1, -1))[..., 0]
            for n in (0, 1)
        )
        return first, second

    return pick


def _reflect(index: Tensor, length: int) -> Tensor:
    """Mirror an index at the borders; of an image smaller than the step it is the border."""
    index = index.abs()
    return torch.where(index >= length, 2 * (length - 1) - index, index).clamp(0, length - 1)
