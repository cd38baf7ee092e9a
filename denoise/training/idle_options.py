"""Options of an attention that cannot act in training: a level is too small or too shallow."""

from collections.abc import Iterator

from denoise.backbone.restormer import Restormer
from denoise.receptive_field import Neighborhood, Windows


def idle_options(net: Restormer, patch: int, *, shifts: bool) -> Iterator[str]:
    """Yield a sentence for each level at which the attention cannot do what its options say.

    Args:
        net: What is trained.
        patch: Side of a training crop in pixels.
        shifts: Whether windows are to shift.
    """
    levels: dict[int, list[Windows | Neighborhood]] = {}
    for name, scale, field in net.layers():
        if ".mixer " in name and isinstance(field, Windows | Neighborhood):
            levels.setdefault(scale, []).append(field)
    for scale, fields in sorted(levels.items()):
        side, level = patch // scale, scale.bit_length() - 1
        needed = max(
            field.size if isinstance(field, Windows) else field.min_size for field in fields
        )
        still = [isinstance(field, Windows) and not field.shift for field in fields]
        if side < needed:
            yield (
                f"level {level}: a crop of {patch} px has {side} there, fewer than the {needed} "
                f"that the attention looks at: patch={needed * scale} has as many"
            )
        elif shifts and all(still):
            yield f"level {level}: windows shift from block to block, and each stage has one"
        elif not all(still) and side == needed and isinstance(fields[0], Windows):
            yield (
                f"level {level}: a crop of {patch} px is one window there, which cannot shift: "
                f"patch={2 * needed * scale} has two"
            )
