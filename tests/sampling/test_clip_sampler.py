"""Views of the clip sampler."""

from __future__ import annotations

import numpy as np
import pytest

from stfw.sampling.clip_sampler import ClipSampler
from stfw.sampling.crops import regular_boxes, resized_size
from stfw.types import UserError, VideoInfo

WIDE = VideoInfo("wide.mp4", 100, 25.0, 240, 320)
TALL = VideoInfo("tall.mp4", 100, 25.0, 320, 240)


def test_views_are_clips_times_crops_clip_by_clip() -> None:
    sampler = ClipSampler(8, 2, short_side=128, crop_size=112, views="2x3")
    views = sampler(WIDE, None)
    assert len(views) == 6
    starts = [int(view.frames_NT[0, 0]) for view in views]
    assert starts == [0, 0, 0, 85, 85, 85]
    assert all(np.diff(view.frames_NT[0]).tolist() == [2] * 7 for view in views)
    lefts = [int(view.boxes_N4[0, 1]) for view in views[:3]]
    assert lefts == [0, 30, 59]  # 171 wide: left end, centre, right end
    assert {tuple(view.boxes_N4[0, [0, 2, 3]]) for view in views} == {(8, 112, 112)}


def test_three_crops_run_along_the_longer_side() -> None:
    tops = [box[0] for box in regular_boxes(*resized_size(320, 240, 128), 112, 3).tolist()]
    assert tops == [0, 30, 59]


def test_evaluation_repeats_and_training_does_not() -> None:
    sampler = ClipSampler(8, short_side=128, crop_size=112)
    assert (sampler(WIDE, None)[0].frames_NT == sampler(WIDE, None)[0].frames_NT).all()
    generator = np.random.default_rng(0)
    drawn = {int(sampler(WIDE, generator)[0].frames_NT[0, 0]) for _ in range(30)}
    assert len(drawn) > 10
    assert sampler(WIDE, generator)[0].boxes_N4 is None  # the transform crops


def test_several_clips_of_one_view_span_the_video() -> None:
    views = ClipSampler(4, num_clips=3, short_side=128, crop_size=112, views="2x1")(TALL, None)
    assert [view.frames_NT[:, 0].tolist() for view in views] == [[0, 38, 77], [19, 58, 96]]
    assert all(view.weights_N.tolist() == [1, 1, 1] for view in views)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_frames": 0}, r"clip\.num_frames=0"),
        ({"num_frames": 8, "short_side": 100, "crop_size": 112}, r"crop_size=112.*short_side=100"),
        ({"num_frames": 8, "views": "3"}, "views=3 is not <clips>x<crops>"),
        ({"num_frames": 8, "views": "3x7"}, "7 crops are not known"),
    ],
)
def test_mistakes_are_named(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        ClipSampler(**arguments)  # type: ignore[arg-type]


def test_a_crop_larger_than_the_native_frame_is_refused() -> None:
    with pytest.raises(UserError, match=r"wide\.mp4.*240x320.*crop_size=300"):
        ClipSampler(8, short_side=None, crop_size=300)(WIDE, None)
