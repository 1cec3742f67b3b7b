"""Which of the clip's frames a stream takes, and what difference means."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stfw.data.footage import Footage, following
from stfw.data.streams.difference import Difference
from stfw.data.streams.rgb import RGB
from stfw.data.streams.stream import Stream
from stfw.types import Record
from stfw.video.decode import decode
from stfw.video.probe import probe
from stfw.video.writer import write_video


@pytest.mark.parametrize(
    ("num_frames", "taken"), [(None, [0, 2, 4, 6, 8, 10]), (1, [6]), (2, [2, 8]), (3, [2, 6, 10])]
)
def test_a_stream_takes_the_middles_of_equal_parts(
    num_frames: int | None, taken: list[int]
) -> None:
    frames_NT = np.arange(0, 12, 2)[None]
    assert Stream(RGB(), num_frames).take(frames_NT).tolist() == [taken]


def test_motion_at_the_last_frame_is_the_one_that_led_to_it() -> None:
    first_U, second_U = following(np.array([0, 3, 4]), 5)
    assert first_U.tolist() == [0, 3, 3]
    assert second_U.tolist() == [1, 4, 4]
    assert [pair.tolist() for pair in following(np.array([0]), 1)] == [[0], [0]]  # one frame


def test_difference_is_half_the_change_around_the_middle(tmp_path: Path) -> None:
    levels = np.array([10, 30, 20, 255, 0], np.uint8)
    frames_THWC = np.broadcast_to(levels[:, None, None, None], (5, 16, 16, 3)).copy()
    path = str(tmp_path / "steps.mkv")
    write_video(
        path, frames_THWC, 10, codec="libx264rgb", pixel_format="rgb24", options={"qp": "0"}
    )
    footage = Footage(Record("a", path, 0), probe(path), decode)
    asked = np.arange(5)
    source = Difference()
    footage.need(source.needs(asked, 5))
    maps_UHWC = source.read(asked, footage)
    assert maps_UHWC[:, 3, 3, 0].tolist() == [137, 122, 245, 0, 0]
