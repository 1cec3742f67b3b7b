"""Maps -> steps: the last average of a 3D network, over all of them or a sliding window."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from stfw.types import UserError


def checked_window(final_pool: Sequence[int] | None) -> tuple[int, ...] | None:
    """The window of the last average.

    Raises:
        UserError: it has not three sizes of at least 1.
    """
    if final_pool is None:
        return None
    if len(final_pool) != 3 or min(final_pool) < 1:
        raise UserError(
            f"encoder.final_pool={list(final_pool)}: three sizes of at least 1 (T, H, W), or null"
        )
    return tuple(final_pool)


def pooled_steps(maps_BDTHW: Tensor, window: Sequence[int] | None) -> Tensor:
    """Averages over a sliding window, then over what is left of space: tokens_BSD.

    Args:
        maps_BDTHW: feature maps.
        window: T, H, W; cut to the size of the maps. None: all of it.
    """
    return _window_means(maps_BDTHW, window).mean(dim=(3, 4)).transpose(1, 2)


def checked_places(pool_size: Sequence[int] | None) -> tuple[int, ...] | None:
    """The window of the last average in space.

    Raises:
        UserError: it has not two sizes of at least 1.
    """
    if pool_size is None:
        return None
    if len(pool_size) != 2 or min(pool_size) < 1:
        raise UserError(
            f"encoder.pool_size={list(pool_size)}: two sizes of at least 1 (H, W), or null"
        )
    return tuple(pool_size)


def pooled_places(
    maps_BDTHW: Tensor, window: Sequence[int] | None, keep_time: bool = False
) -> Tensor:
    """Averages over a window that slides in space: tokens_BSD, one for each of its places.

    A test crop that is larger than the training crop has several places; with ``head=dense`` the
    network predicts at each, as SlowFast and X3D are tested.

    Args:
        maps_BDTHW: feature maps.
        window: H, W; cut to the size of the maps. None: all of it.
        keep_time: a step for each moment; else the average over time.
    """
    if window is None:
        if keep_time:
            return maps_BDTHW.mean(dim=(3, 4)).transpose(1, 2)
        return maps_BDTHW.mean(dim=(2, 3, 4)).unsqueeze(1)
    T = 1 if keep_time else maps_BDTHW.shape[2]
    return _window_means(maps_BDTHW, (T, *window)).flatten(2).transpose(1, 2)


def _window_means(maps_BDTHW: Tensor, window: Sequence[int] | None) -> Tensor:
    """Maps of the means over a window that slides by 1; it is cut to the size of the maps."""
    sizes = maps_BDTHW.shape[2:]
    kernel = [min(pair) for pair in zip(window, sizes, strict=True)] if window else list(sizes)
    return F.avg_pool3d(maps_BDTHW, kernel, stride=1)
