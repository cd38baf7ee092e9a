"""The U-Net of Restormer with any attention, norm and feed-forward."""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from denoise.layers.conv1x1 import Conv1x1
from denoise.layers.named_seed import named_seed
from denoise.layers.padding import pad_to_multiple
from denoise.layers.patch_merging import PatchMerging
from denoise.noise.estimation import level_map
from denoise.option_checks import check_choice, check_positive
from denoise.properties import MixerFactory, takes_level
from denoise.receptive_field import Compose, Downsampled, Radius, ReceptiveField, Union


class Block(nn.Module):
    """One transformer block: x + mixer(norm(x)), then x + feedforward(norm(x)).

    If the mixer is an identity, the first branch is left out with its norm: x + norm(x) would
    double the features block by block.
    """

    def __init__(
        self,
        width: int,
        mixer: nn.Module,
        norm: Callable[[int], nn.Module],
        feedforward: Callable[[int], nn.Module],
        checkpointing: bool = False,
    ) -> None:
        super().__init__()
        self.checkpointing = checkpointing
        self.mixes = not isinstance(mixer, nn.Identity)
        if self.mixes:
            self.norm1, self.mixer = norm(width), mixer
        self.norm2, self.feedforward = norm(width), feedforward(width)

    def forward(self, x: Tensor) -> Tensor:
        """Transform (B, C, H, W)."""
        if self.checkpointing and torch.is_grad_enabled():
            return checkpoint(self._forward, x, use_reentrant=False, preserve_rng_state=False)
        return self._forward(x)

    def _forward(self, x: Tensor) -> Tensor:
        if self.mixes:
            x = x + self.mixer(self.norm1(x))
        return x + self.feedforward(self.norm2(x))

    def branch_receptive_fields(self) -> dict[str, ReceptiveField | None]:
        """Return the receptive field of each branch, in the order of computation."""
        fields = {}
        if self.mixes:
            fields["mixer"] = getattr(
                getattr(self.mixer, "properties", None), "receptive_field", None
            )
        return fields | {"feedforward": getattr(self.feedforward, "receptive_field", None)}


def _check_levels(widths: Sequence[int], num_heads: Sequence[int], mixers: int) -> None:
    """Check that each level has heads that divide its channels, and a mixer factory.

    Raises:
        ValueError: naming the numbers that do not fit.
    """
    if not len(widths) == len(num_heads) == mixers:
        raise ValueError(
            f"num_blocks has {len(widths)} levels, num_heads {len(num_heads)}, "
            f"attention {mixers}: give each the same number"
        )
    if len(widths) > 1 and widths[0] % 2:
        raise ValueError(f"dim={widths[0]} must be even: a level below takes half of its channels")
    for level, (width, heads) in enumerate(zip(widths, num_heads, strict=True)):
        check_positive(**{f"num_heads[{level}]": heads})
        if width % heads:
            raise ValueError(
                f"num_heads[{level}]={heads} does not divide the {width} channels "
                f"of level {level + 1}: choose a divisor"
            )


class Restormer(nn.Module):
    """U-Net of transformer blocks that predicts the noise (Zamir et al. 2022, arXiv 2111.09881).

    With MDTA, GDFN and layer norm it is the paper's model; here the three are arguments. The noise
    is predicted as a residual where input and output have the same channels. Each part starts from
    random weights of its own, by its name and the seed: two networks of one seed that differ in the
    attention share all their other weights.

    Args:
        attention: factory of mixers, called with (dim, num_heads, block_index), and the level
            where it takes it; or one per level.
        norm: factory of norms, called with (dim).
        feedforward: factory of feed-forward networks, called with (dim).
        in_channels: channels of the noisy image.
        out_channels: channels of the restored image.
        dim: channels of the top level; each level below has twice as many.
        num_blocks: blocks per level, on each side.
        num_heads: heads per level.
        num_refinement_blocks: blocks after the decoder.
        bias: whether the convolutions between the blocks have one.
        sigma_map: whether `forward` takes sigma and feeds it in as one more channel; "signal":
            it may depend on the pixel.
        downsample: pixel_unshuffle (the paper's) or patch_merging (Swin's).
        block_index: whether the decoder's blocks go on counting where the encoder's of their level
            stopped (continued) or anew (restarted): mechanisms shift or dilate by that number.
        checkpointing: whether training keeps only the blocks' inputs and computes the rest again in
            the backward pass: less memory, more time.

    Raises:
        ValueError: where the lengths per level differ, heads do not divide the channels, or
            downsample or block_index is unknown.
    """

    def __init__(
        self,
        attention: MixerFactory | Sequence[MixerFactory],
        norm: Callable[[int], nn.Module],
        feedforward: Callable[[int], nn.Module],
        *,
        in_channels: int,
        out_channels: int,
        dim: int,
        num_blocks: Sequence[int],
        num_heads: Sequence[int],
        num_refinement_blocks: int,
        bias: bool = False,
        sigma_map: bool | Literal["signal"] = False,
        downsample: Literal["pixel_unshuffle", "patch_merging"] = "pixel_unshuffle",
        block_index: Literal["continued", "restarted"] = "continued",
        checkpointing: bool = False,
    ) -> None:
        super().__init__()
        check_choice(("pixel_unshuffle", "patch_merging"), downsample=downsample)
        check_choice(("continued", "restarted"), block_index=block_index)
        check_choice(("False", "True", "signal"), sigma_map=str(sigma_map))
        check_positive(in_channels=in_channels, out_channels=out_channels, dim=dim)
        levels = len(num_blocks)
        mixers = [attention] * levels if callable(attention) else list(attention)
        widths = [dim << level for level in range(levels)]
        _check_levels(widths, num_heads, len(mixers))
        self.sigma_map = sigma_map
        self.size_multiple = 2 ** (levels - 1)

        seed = int(torch.randint(2**31, (), device="cpu"))
        counts = [0] * levels  # of the blocks of each level so far
        last = 2 * dim if levels > 1 else dim  # the paper leaves the top decoder at twice the width

        def block(name: str, level: int, width: int) -> Block:
            with named_seed(seed, f"{name}.mixer"):
                options = {"level": level} if takes_level(mixers[level]) else {}
                mixer = mixers[level](width, num_heads[level], counts[level], **options)
            counts[level] += 1
            with named_seed(seed, name):
                return Block(width, mixer, norm, feedforward, checkpointing)

        def stage(name: str, level: int, width: int, length: int) -> nn.Sequential:
            if block_index == "restarted":
                counts[level] = 0
            return nn.Sequential(*(block(f"{name}.{i}", level, width) for i in range(length)))

        def conv(name: str, inputs: int, outputs: int, bias: bool = False) -> nn.Conv2d:
            with named_seed(seed, name):
                return nn.Conv2d(inputs, outputs, 3, padding=1, bias=bias)

        def down(level: int) -> nn.Module:
            width, name = widths[level], f"down.{level}"
            if downsample == "pixel_unshuffle":
                return nn.Sequential(conv(name, width, width // 2), nn.PixelUnshuffle(2))
            with named_seed(seed, name):
                return PatchMerging(width)

        def up(level: int) -> nn.Module:
            expand = conv(f"up.{level}", 2 * widths[level], 4 * widths[level])
            return nn.Sequential(expand, nn.PixelShuffle(2))

        def reduce(level: int) -> nn.Module:
            with named_seed(seed, f"reduce.{level}"):
                width = widths[level]
                return Conv1x1(2 * width, width, bias=bias) if level else nn.Identity()

        above = range(levels - 1)
        self.embed = conv("embed", in_channels + bool(sigma_map), dim)
        self.encoder = nn.ModuleList(
            stage(f"encoder.{level}", level, widths[level], num_blocks[level])
            for level in range(levels)
        )
        self.down = nn.ModuleList(map(down, above))
        self.up = nn.ModuleList(map(up, above))
        self.reduce = nn.ModuleList(map(reduce, above))
        self.decoder = nn.ModuleList(
            stage(f"decoder.{level}", level, widths[level] if level else last, num_blocks[level])
            for level in above
        )
        self.refinement = stage("refinement", 0, last, num_refinement_blocks)
        self.output = conv("output", last, out_channels, bias)
        self.to(memory_format=torch.channels_last)

    def forward(self, noisy: Tensor, sigma: Tensor | None = None) -> Tensor:
        """Restore noisy images.

        Args:
            noisy: (B, in_channels, H, W) in [0, 1], of any size.
            sigma: as `level_map` takes it; required with `sigma_map`, ignored otherwise.

        Returns:
            (B, out_channels, H, W), not clamped.

        Raises:
            ValueError: where `sigma_map` is set and sigma is missing.
        """
        x, (H, W) = noisy, noisy.shape[-2:]
        if self.sigma_map:
            if sigma is None:
                raise ValueError("this model takes a noise-level map: give sigma in grey levels")
            x = torch.cat([noisy, level_map(sigma, noisy)], dim=1)
        x = pad_to_multiple(x, self.size_multiple).contiguous(memory_format=torch.channels_last)

        x = self.embed(x)
        skips = []
        for encoder, down in zip(self.encoder[:-1], self.down, strict=True):
            skips.append(encoder(x))
            x = down(skips[-1]).contiguous(memory_format=torch.channels_last)
        x = self.encoder[-1](x)
        for level in reversed(range(len(skips))):
            x = torch.cat([self.up[level](x), skips.pop()], dim=1)
            x = x.contiguous(memory_format=torch.channels_last)
            x = self.decoder[level](self.reduce[level](x))
        x = self.output(self.refinement(x))
        # Negative padding crops: torch.export would specialise a slice on whether it is contiguous.
        x = F.pad(x, (0, W - x.shape[3], 0, H - x.shape[2]))
        return x + noisy if x.shape[1] == noisy.shape[1] else x

    def compile(self, **options: Any) -> None:
        """Compile block by block by `torch.compile`; equal blocks share the compiled code.

        Args:
            options: of `torch.compile`; `dynamic` is False by default: code for each image size.
        """
        # The limit counts all blocks, in training and in evaluation, as one function.
        torch._dynamo.config.recompile_limit = max(torch._dynamo.config.recompile_limit, 64)
        for block in self.modules():
            if isinstance(block, Block):
                block.compile(**{"dynamic": False} | options)

    def layers(self) -> Iterator[tuple[str, int, ReceptiveField | None]]:
        """Yield the name, the scale (image pixels per pixel) and the field of each branch."""
        for name, block in self.named_modules():
            if isinstance(block, Block):
                path = name.split(".")
                scale = 2 ** int(path[1]) if path[0] != "refinement" else 1
                for branch, receptive_field in block.branch_receptive_fields().items():
                    layer = type(getattr(block, branch)).__name__
                    yield f"{name}.{branch} ({layer})", scale, receptive_field

    def global_layers(self) -> list[str]:
        """Return the names of the layers whose output depends on the whole image."""
        return [name for name, _, receptive_field in self.layers() if receptive_field is None]

    @property
    def alignment(self) -> int:
        """Return the pixels at whose multiples a crop has the windows of the whole image."""
        return math.lcm(
            self.size_multiple, *(scale * r.alignment for _, scale, r in self.layers() if r)
        )

    @property
    def receptive_field(self) -> ReceptiveField | None:
        """Return which pixels decide a restored one; None if `global_layers` names a layer.

        Valid for sizes that are multiples of `size_multiple`: other images are padded first.
        """
        if self.global_layers():
            return None

        def stage(blocks: nn.Module) -> Compose:
            fields = (
                receptive_field
                for block in blocks.children()
                if isinstance(block, Block)
                for receptive_field in block.branch_receptive_fields().values()
                if receptive_field is not None
            )
            return Compose(
                [Radius(0), *(Union([Radius(0), receptive_field]) for receptive_field in fields)]
            )

        conv = Radius(1)  # the convolutions between the blocks
        receptive_field = stage(self.encoder[-1])
        for level in reversed(range(len(self.down))):
            down = Radius(0) if isinstance(self.down[level], PatchMerging) else conv
            below = Compose([down, Downsampled(Compose([receptive_field, conv]))])
            outer = stage(self.encoder[level]), stage(self.decoder[level])
            receptive_field = Compose([outer[0], Union([Radius(0), below]), outer[1]])
        return Compose([conv, receptive_field, stage(self.refinement), conv])
