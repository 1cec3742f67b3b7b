"""What holds for every shipped sampler with every shipped clip, and on real pixels."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import pytest
from omegaconf import DictConfig

from stfw.build import Build
from stfw.config import compose, conf_dir, groups
from stfw.data.sample import cut
from stfw.sampling.patches import Patches
from stfw.types import Sampler, VideoError, VideoInfo, View
from stfw.video.decode import decode
from stfw.video.probe import probe
from tests.coordinate_video import write_coordinate_video

SHIPPED = groups(conf_dir())
SMALL = ["clip.num_frames=4", "clip.frame_interval=2", "clip.short_side=null", "clip.crop_size=32"]
VARIANTS = {
    **{name: [f"sampler={name}"] for name in SHIPPED["sampler"]},
    "tsn": ["sampler=segments", "clip.num_frames=1", "clip.num_clips=8", "views=2x3"],
    "tsm": ["sampler=segments", "sampler.as_one_clip=true", "clip.num_frames=8", "views=2x1"],
    "dense": ["sampler=dense_segments", "views=10x3"],
    "ten_crops": ["sampler=clip", "clip.num_clips=2", "views=2x10"],
    "random_patches": ["sampler=patches", "sampler.mode=random", "sampler.num_patches=9"],
    "cells": ["sampler=patches", "sampler.mode=cell", "sampler.height=16", "sampler.width=20"],
    "mosaic": ["sampler=fragments", "sampler.grid=2", "clip.num_clips=3"],
    "windows": ["sampler=sliding", "sampler.step_sec=0.1", "views=1x3"],
}


# what tests add to a variant, without composing it anew
LATER = ("clip.fps=", "clip.num_frames=", "sampler.short=")


@functools.cache
def build(*overrides: str) -> Sampler:
    """A sampler; the last overrides may set keys of the clip and of the sampler."""
    chosen = tuple(word for word in overrides if not word.startswith(LATER))
    cfg = composed(*SMALL, *chosen).copy()
    cfg.merge_with_dotlist([word for word in overrides if word.startswith(LATER)])
    sampler: Sampler = Build()(cfg.sampler)
    return sampler


@functools.cache
def composed(*overrides: str) -> DictConfig:
    return compose("train", overrides).cfg


def same(ours: list[View], theirs: list[View]) -> bool:
    def flat(views: list[View]) -> list[np.ndarray]:
        return [
            np.asarray(part)
            for view in views
            for part in (view.frames_NT, view.boxes_N4, view.mosaic_NG4)
            if part is not None
        ]

    return len(ours) == len(theirs) and all(
        np.array_equal(a, b) for a, b in zip(flat(ours), flat(theirs), strict=True)
    )


@pytest.mark.parametrize("clip", SHIPPED["clip"])
@pytest.mark.parametrize("name", SHIPPED["sampler"])
def test_sampler_is_built_with_every_clip(name: str, clip: str) -> None:
    cfg = composed(f"sampler={name}").copy()
    cfg.clip = composed(f"clip={clip}").clip
    sampler = Build()(cfg.sampler)
    for generator in (None, np.random.default_rng(0)):
        for view in sampler(VideoInfo("a.mp4", 300, 25.0, 360, 480), generator):
            assert view.frames_NT.shape[1] == cfg.clip.num_frames
            for boxes in (view.boxes_N4, view.mosaic_NG4):
                assert boxes is None or (boxes[..., 2:] == cfg.clip.crop_size).all()


@pytest.mark.parametrize("rate", ["null", "8", "60"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_frames_and_boxes_exist_for_every_length(variant: str, rate: str) -> None:
    sampler = build(*VARIANTS[variant], f"clip.fps={rate}")
    shapes = set()
    gaps = np.random.default_rng(0).uniform(0.01, 0.1, 400)
    for num_frames in [*range(1, 50), 100, 133, 400]:
        times_F = np.cumsum(gaps)[:num_frames] - gaps[0] if num_frames % 2 else None
        info = VideoInfo("a.mp4", num_frames, 18.0, 48, 64, times_F=times_F)
        for generator in (None, np.random.default_rng(num_frames)):
            views = sampler(info, generator)
            assert generator is None or len(views) == 1
            for view in views:
                shapes.add(view.frames_NT.shape[1])
                assert view.frames_NT.dtype == np.int64
                assert view.frames_NT.min() >= 0
                assert view.frames_NT.max() < num_frames
                assert view.weights_N.dtype == np.float32
                assert view.weights_N.shape == view.frames_NT.shape[:1]
                assert (view.weights_N > 0).all()
                for boxes in (view.boxes_N4, view.mosaic_NG4):
                    if boxes is not None:
                        assert len(boxes) == len(view.frames_NT)
                        assert boxes.min() >= 0
                        assert (boxes[..., :2] + boxes[..., 2:] <= [48, 64]).all()
    assert len(shapes) == 1


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_generator_decides_everything(variant: str) -> None:
    sampler = build(*VARIANTS[variant])
    info = VideoInfo("a.mp4", 150, 25.0, 48, 70)
    assert same(sampler(info, None), sampler(info, None))
    drawn = [sampler(info, np.random.default_rng(seed)) for seed in (1, 1, 2)]
    assert same(drawn[0], drawn[1])
    if variant != "patches":  # the whole grid, always
        assert not same(drawn[0], drawn[2])


@pytest.mark.parametrize("variant", VARIANTS)
def test_videos_too_short_are_refused_where_asked_for(variant: str) -> None:
    sampler = build(*VARIANTS[variant], "sampler.short=error", "clip.num_frames=4")
    for generator in (None, np.random.default_rng(0)):
        with pytest.raises(VideoError) as caught:
            sampler(VideoInfo("a.mp4", 3, 25.0, 48, 64), generator)
        assert caught.value.kind == "short"


@pytest.fixture(scope="module")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_coordinate_video(tmp_path_factory.mktemp("samplers") / "a.mp4", num_frames=60)


def expected(view: View) -> np.ndarray:
    """The pixels of a view by their coordinates: N C T H W."""
    assert view.boxes_N4 is not None
    clips = []
    for frames_T, (top, left, height, width) in zip(view.frames_NT, view.boxes_N4, strict=True):
        axes = (frames_T, np.arange(top, top + height), np.arange(left, left + width))
        clips.append(np.stack(np.meshgrid(*axes, indexing="ij")))
    return np.stack(clips)


def tiles(view: View) -> np.ndarray:
    """The same of a mosaic, tile by tile."""
    assert view.mosaic_NG4 is not None
    side = round(view.mosaic_NG4.shape[1] ** 0.5)
    rows = [
        np.concatenate(
            [
                expected(View(view.frames_NT, view.mosaic_NG4[:, row * side + column]))
                for column in range(side)
            ],
            axis=-1,
        )
        for row in range(side)
    ]
    return np.concatenate(rows, axis=-2)


@pytest.mark.parametrize("variant", VARIANTS)
def test_pixels_are_those_that_the_view_names(variant: str, footage: Path) -> None:
    index = probe(str(footage))
    sampler = build(*VARIANTS[variant])
    for generator in (None, np.random.default_rng(0)):
        for view in sampler(index.info, generator):
            where, places = np.unique(view.frames_NT, return_inverse=True)
            pixels = cut(decode(index, where), places.reshape(view.frames_NT.shape), view)
            if view.mosaic_NG4 is not None:
                np.testing.assert_array_equal(pixels.numpy(), tiles(view))
            elif view.boxes_N4 is not None:
                np.testing.assert_array_equal(pixels.numpy(), expected(view))
            else:  # the crop is the transform's
                assert (pixels[:, 0, :, 0, 0].numpy() == view.frames_NT).all()


def test_patches_of_the_footage_put_together_are_the_footage(footage: Path) -> None:
    index = probe(str(footage))
    (view,) = Patches(20, height=24, width=32)(index.info, None)
    assert len(view.frames_NT) == 3 * 2 * 2
    all_frames = decode(index, np.arange(60))
    pixels = cut(all_frames, view.frames_NT, view).numpy()
    blocks = pixels.reshape(3, 2, 2, 3, 20, 24, 32)  # t y x C T H W
    whole = blocks.transpose(0, 4, 1, 5, 2, 6, 3).reshape(60, 48, 64, 3)
    np.testing.assert_array_equal(whole, all_frames)
