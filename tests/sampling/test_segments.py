"""TSN's segments."""

from __future__ import annotations

import numpy as np
import pytest

from stfw.sampling.segments import Segments
from stfw.types import UserError, VideoError, VideoInfo


def info(num_frames: int) -> VideoInfo:
    return VideoInfo("a.mp4", num_frames, 25.0, 64, 64)


def segments(
    num_clips: int = 8, num_frames: int = 1, views: str = "1x1", as_one_clip: bool = False
) -> Segments:
    return Segments(
        num_frames, num_clips=num_clips, views=views, as_one_clip=as_one_clip, crop_size=32
    )


def test_evaluation_takes_the_middles_by_hand() -> None:
    (view,) = segments()(info(80), None)
    assert view.frames_NT.tolist() == [[5], [15], [25], [35], [45], [55], [65], [75]]
    assert view.boxes_N4 is not None
    assert view.boxes_N4.shape == (8, 4)
    assert view.weights_N.tolist() == [1] * 8


@pytest.mark.parametrize(("num_segments", "new_length"), [(3, 1), (8, 1), (8, 5), (25, 1)])
def test_evaluation_agrees_with_the_published_arithmetic(
    num_segments: int, new_length: int
) -> None:
    """TSN and TSM: int(tick / 2 + tick * k), tick = (frames - new_length + 1) / segments."""
    for num_frames in range(num_segments + new_length, 400):
        tick = (num_frames - new_length + 1) / float(num_segments)
        middles = [int(tick / 2.0 + tick * k) for k in range(num_segments)]
        begins = [int(tick * k) for k in range(num_segments)]
        one, two = segments(num_segments, new_length, "2x1")(info(num_frames), None)
        assert one.frames_NT[:, 0].tolist() == middles
        assert two.frames_NT[:, 0].tolist() == begins  # twice-sampling
        assert (np.diff(one.frames_NT, axis=1) == 1).all()


def test_training_draws_one_frame_inside_each_segment() -> None:
    generator = np.random.default_rng(0)
    drawn = np.stack([segments(4)(info(40), generator)[0].frames_NT[:, 0] for _ in range(400)])
    for segment in range(4):
        assert set(drawn[:, segment].tolist()) == set(range(segment * 10, segment * 10 + 10))
    assert abs(np.corrcoef(drawn.T) - np.eye(4)).max() < 0.2  # drawn independently


def test_one_clip_holds_the_same_frames_in_time() -> None:
    (spread,) = segments(8)(info(80), None)
    (one,) = segments(1, 8, as_one_clip=True)(info(80), None)
    assert one.frames_NT.shape == (1, 8)
    assert one.weights_N.tolist() == [1]
    assert one.frames_NT[0].tolist() == spread.frames_NT[:, 0].tolist()
    drawn = segments(1, 8, as_one_clip=True)(info(80), np.random.default_rng(0))[0]
    assert drawn.frames_NT.shape == (1, 8)
    assert drawn.boxes_N4 is None


def test_fewer_frames_than_segments_repeat_in_order() -> None:
    assert segments(5)(info(3), None)[0].frames_NT[:, 0].tolist() == [0, 0, 1, 2, 2]
    one = Segments(5, num_clips=1, as_one_clip=True, crop_size=32, short="error")
    with pytest.raises(VideoError, match="has 3 frames where a clip spans 5"):
        one(info(3), None)
    assert one(info(5), None)[0].frames_NT.tolist() == [[0, 1, 2, 3, 4]]


def test_a_segments_clip_longer_than_the_video_follows_the_policy() -> None:
    frames = Segments(4, num_clips=2, crop_size=32, short="repeat_last")(info(3), None)[0].frames_NT
    assert frames.tolist() == [[0, 1, 2, 2]] * 2


def test_several_clips_do_not_make_one() -> None:
    with pytest.raises(UserError, match=r"clip\.num_clips=8.*as_one_clip.*clip\.num_clips=1"):
        segments(8, as_one_clip=True)
