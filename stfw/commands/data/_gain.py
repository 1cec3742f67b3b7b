"""What prepared videos buy, measured: the CPU time of a clip before and after."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stfw.video.scan import VideoIndex

NUM_MEASURED = 5  # videos
Pair = tuple[tuple[str, "tuple[int, int] | None"], Path]  # (path, span) of a source; its result


def gain(pairs: Sequence[Pair]) -> str:
    """A sentence on the median of some videos."""
    import numpy as np

    from stfw.video.probe import probe

    costs = []
    for k in sorted({int(k) for k in np.linspace(0, len(pairs) - 1, NUM_MEASURED)}):
        (path, span), target = pairs[k]
        result = probe(str(target))
        size = result.info.height, result.info.width
        costs.append((cost_ms(probe(path, span), size), cost_ms(result, size)))
    before, after = (statistics.median(column) for column in zip(*costs, strict=True))
    return (
        f"a clip of 16 frames, 2 apart, decodes in {after:.1f} ms of CPU time instead of "
        f"{before:.1f} ms ({before / after:.1f}x, median of {len(costs)} videos)"
    )


def cost_ms(index: VideoIndex, size: tuple[int, int]) -> float:
    """CPU time of the clip in the middle, resized to (height, width); the best of three."""
    import numpy as np

    from stfw.video.decode import decode

    num_frames, best = index.info.num_frames, float("inf")
    frames_T = np.minimum(max(0, num_frames // 2 - 16) + np.arange(0, 32, 2), num_frames - 1)
    for _ in range(3):
        begin = time.process_time()
        decode(index, frames_T, size)
        best = min(best, time.process_time() - begin)
    return best * 1000
