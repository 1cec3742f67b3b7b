"""From records to batches, on footage whose pixels know their frame, row and column."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from stfw.data.bad_samples import read_counts
from stfw.data.datamodule import Loader, VideoDataModule
from stfw.data.dataset import VideoDataset, collate
from stfw.data.loader import Guarded, VideoLoader
from stfw.data.sample import Limits, Loading
from stfw.data.streams.difference import Difference
from stfw.data.streams.rgb import RGB
from stfw.data.streams.stream import Stream
from stfw.sampling.clip_sampler import ClipSampler
from stfw.transforms.clip import HorizontalFlip, RandomCrop
from stfw.transforms.pipeline import ClipPipeline
from stfw.types import Record, Sampler, Split, UserError, VideoError, VideoInfo, View
from stfw.video.decode import decode
from tests.coordinate_video import write_coordinate_video

FLIP_AND_CROP = ClipPipeline({"crop": RandomCrop(32), "flip": HorizontalFlip(0.5)})
RGB_ALONE = {"rgb": Stream(RGB())}


def loading(
    sampler: Sampler,
    transform: ClipPipeline | None = None,
    short_side: int | None = None,
    **rest: Any,
) -> Loading:
    return Loading(sampler, rest.pop("streams", RGB_ALONE), transform, decode, short_side, **rest)


def module(records: list[Record], **loader: Any) -> VideoDataModule:
    return VideoDataModule(
        Given(records),
        Loader(**loader),
        ClipSampler(4, crop_size=32),
        RGB_ALONE,
        FLIP_AND_CROP,
        decode,
        None,
    )


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> list[Record]:
    folder = tmp_path_factory.mktemp("videos")
    paths = [
        write_coordinate_video(folder / f"{number}.mp4", num_frames=40 + number, gop=10)
        for number in range(6)
    ]
    return [Record(path.name, str(path), label % 2) for label, path in enumerate(paths)]


class Given:
    """A reader of records that are at hand."""

    classes = ["even", "odd"]  # noqa: RUF012

    def __init__(self, records: list[Record]) -> None:
        self.given = records

    def records(self, split: Split) -> list[Record]:
        return self.given


def test_views_are_the_frames_and_pixels_that_the_sampler_names(records: list[Record]) -> None:
    sampler = ClipSampler(4, 3, num_clips=2, crop_size=32, views="2x3")
    dataset = VideoDataset(records, loading(sampler))
    sample = dataset[0]
    assert sample["rgb"].shape == (6, 2, 3, 4, 32, 32)
    assert sample["rgb"].dtype == torch.uint8
    from stfw.video.probe import probe

    views = sampler(probe(records[0].path).info, None)
    for x_NCTHW, view in zip(sample["rgb"], views, strict=True):
        for x_CTHW, frames_T, (top, left, _, _) in zip(
            x_NCTHW, view.frames_NT, view.boxes_N4, strict=True
        ):
            assert (x_CTHW[0] == torch.from_numpy(frames_T)[:, None, None]).all()
            assert (x_CTHW[1] == torch.arange(top, top + 32)[None, :, None]).all()
            assert (x_CTHW[2] == torch.arange(left, left + 32)[None, None, :]).all()
    assert sample["positions"][0, 0, 1] == pytest.approx(0.5)  # 3 crops of a wide frame


def test_the_labelled_part_is_all_that_is_seen(records: list[Record]) -> None:
    part = Record("part", records[0].path, 0, start_sec=0.4, end_sec=0.8)  # frames 10..19 at 25 fps
    dataset = VideoDataset([part], loading(ClipSampler(16, crop_size=32)))
    numbers = dataset[0]["rgb"][0, 0, 0, :, 0, 0]
    assert numbers.tolist() == [10 + i % 10 for i in range(16)]
    late = Record("late", records[0].path, 0, start_sec=99.0)
    with pytest.raises(VideoError, match=r"start_sec=99.*past the end"):
        VideoDataset([late], loading(ClipSampler(4, crop_size=32)))[0]


def test_the_short_side_is_resized_in_decoding(records: list[Record]) -> None:
    sampler = ClipSampler(2, short_side=24, crop_size=24)
    dataset = VideoDataset(records, loading(sampler, short_side=24))
    x_CTHW = dataset[0]["rgb"][0, 0]
    assert x_CTHW.shape == (3, 2, 24, 24)
    columns = x_CTHW[2, 0, 12].float()  # 64 columns become 32, of which 4..27 are cut
    assert torch.allclose(columns, 2 * torch.arange(4, 28) + 0.5, atol=1)


def test_an_item_is_drawn_from_seed_epoch_index_and_repeat_alone(records: list[Record]) -> None:
    def draw(seed: int, *item: int) -> torch.Tensor:
        dataset = VideoDataset(records, loading(ClipSampler(4, crop_size=32), FLIP_AND_CROP), seed)
        return dataset[item]["rgb"]  # type: ignore[index]

    assert torch.equal(draw(0, 3, 1, 0), draw(0, 3, 1, 0))
    others = [draw(1, 3, 1, 0), draw(0, 4, 1, 0), draw(0, 3, 1, 1)]
    assert not any(torch.equal(draw(0, 3, 1, 0), other) for other in others)


@pytest.mark.parametrize(("num_workers", "method"), [(0, None), (2, "fork"), (1, "spawn")])
def test_batches_are_the_same_however_they_are_loaded(
    records: list[Record], num_workers: int, method: str | None
) -> None:
    def batches(**loader: object) -> list[torch.Tensor]:
        made = module(records, batch_size=2, **loader).train_dataloader()
        epochs = []
        for epoch in (0, 1):
            made.batch_sampler.sampler.set_epoch(epoch)  # type: ignore[union-attr]
            epochs += [batch["rgb"] for batch in made]
        return epochs

    alone = batches(num_workers=0)
    given = batches(num_workers=num_workers, start_method=method)
    assert all(torch.equal(one, other) for one, other in zip(alone, given, strict=True))
    assert not torch.equal(torch.cat(alone[:3]), torch.cat(alone[3:]))  # epochs differ


@pytest.mark.parametrize("num_workers", [0, 1])
def test_a_bad_video_comes_out_of_the_loader_as_itself(
    records: list[Record], tmp_path: Path, num_workers: int
) -> None:
    bad = tmp_path / "bad.mp4"
    bad.write_text("no video")
    data = module([*records, Record("bad", str(bad), 0)], batch_size=4, num_workers=num_workers)
    with pytest.raises(VideoError) as caught:
        list(data.train_dataloader())
    assert (caught.value.path, caught.value.kind) == (str(bad), "open")


def test_videos_with_fewer_clips_are_padded_with_weight_zero() -> None:
    def sample(num_clips: int, num_views: int = 1) -> dict:
        return {
            "rgb": torch.ones(num_views, num_clips, 3, 2, 4, 4, dtype=torch.uint8),
            "weights": torch.ones(num_views, num_clips),
            "positions": torch.zeros(num_views, num_clips, 3),
            "label": torch.tensor(0),
            "video_id": ["a"],
            "decode_sec": torch.tensor(0.0),
            "present": {"rgb": torch.tensor(True)},
            "skipped": [],
        }

    batch = collate([sample(3), sample(1)])  # type: ignore[list-item]
    assert batch["rgb"].shape == (2, 1, 3, 3, 2, 4, 4)
    assert batch["weights"].tolist() == [[[1, 1, 1]], [[1, 0, 0]]]
    assert batch["padded"] is True
    assert collate([sample(2), sample(2)])["padded"] is False  # type: ignore[list-item]
    # windows over a long and a short video: views are padded in the same way
    batch = collate([sample(1, num_views=1), sample(1, num_views=3)])  # type: ignore[list-item]
    assert batch["rgb"].shape == (2, 3, 1, 3, 2, 4, 4)
    assert batch["weights"].tolist() == [[[1], [0], [0]], [[1], [1], [1]]]


def test_a_view_may_be_mirrored_or_a_mosaic(records: list[Record]) -> None:
    frames_NT = np.array([[3, 4]])
    boxes_G4 = np.array([[0, 0, 4, 4], [0, 20, 4, 4], [10, 2, 4, 4], [12, 30, 4, 4]])

    def sampler(info: VideoInfo, generator: np.random.Generator | None) -> list[View]:
        box = np.array([[0, 8, 8, 8]])
        return [View(frames_NT, box, flip=True), View(frames_NT, mosaic_NG4=boxes_G4[None])]

    mirrored, mosaic = VideoDataset(records, loading(sampler))[0]["rgb"]
    assert (mirrored[0, 2, 0, 0] == torch.arange(15, 7, -1)).all()
    assert mosaic.shape == (1, 3, 2, 8, 8)
    assert (mosaic[0, 0, 1] == 4).all()
    assert mosaic[0, 1, 0, :, 0].tolist() == [0, 1, 2, 3, 10, 11, 12, 13]  # rows, left tiles
    assert mosaic[0, 2, 0, 0].tolist() == [0, 1, 2, 3, 20, 21, 22, 23]  # columns, upper tiles
    assert mosaic[0, 2, 0, 7].tolist() == [2, 3, 4, 5, 30, 31, 32, 33]


def test_streams_of_a_view_are_cut_alike_and_take_their_share_of_frames(
    records: list[Record],
) -> None:
    streams = {
        "rgb": Stream(RGB()),
        "slow": Stream(RGB(), num_frames=2),
        "difference": Stream(Difference()),
    }
    dataset = VideoDataset(
        records, loading(ClipSampler(8, crop_size=32), FLIP_AND_CROP, streams=streams)
    )
    for epoch in range(5):
        sample: Any = dataset[(epoch, 2, 0)]
        rgb, slow = sample["rgb"][0, 0], sample["slow"][0, 0]
        assert torch.equal(slow, rgb[:, [2, 6]])
        # the frame's number is its red: one more from frame to frame; rows and columns stay
        assert (sample["difference"][0, 0, 0] == 128).all()
        assert (sample["difference"][0, 0, 1:] == 127).all()


def test_repeats_are_random_views_of_one_decoded_video(records: list[Record]) -> None:
    decoded = []

    def counting(index: Any, frames: np.ndarray, size: Any) -> np.ndarray:
        decoded.append(len(frames))
        return decode(index, frames, size)

    made = Loading(ClipSampler(4, crop_size=32), RGB_ALONE, FLIP_AND_CROP, counting, num_repeats=4)
    sample = VideoDataset(records, made)[0]
    assert sample["rgb"].shape == (4, 1, 3, 4, 32, 32)
    assert len({int(view[0, 0, 0, 0, 0]) for view in sample["rgb"]}) > 1
    assert len(decoded) == 1  # one pass
    evaluation = Loading(ClipSampler(4, crop_size=32), RGB_ALONE, None, decode, num_repeats=4)
    assert len(VideoDataset(records, evaluation)[0]["rgb"]) == 1


def test_videos_beyond_the_caps_are_refused_before_decoding(records: list[Record]) -> None:
    for limits, said in [
        (Limits(max_pixels=100), "data.max_pixels=100"),
        (Limits(max_frames=10), "40 frames exceed data.max_frames=10"),
        (Limits(max_bytes=10), "exceed data.max_bytes=10"),
    ]:
        with pytest.raises(VideoError, match=said) as caught:
            VideoDataset(records, loading(ClipSampler(4, crop_size=32), limits=limits))[0]
        assert caught.value.kind == "too_large"


def test_an_unreadable_video_is_always_replaced_by_the_same_one(
    records: list[Record], tmp_path: Path
) -> None:
    bad = tmp_path / "bad.mp4"
    bad.write_text("no video")
    given = [*records, Record("bad", str(bad), 0)]
    made = loading(ClipSampler(4, crop_size=32), FLIP_AND_CROP)
    first, again = (VideoDataset(given, made, seed=1, on_error="skip")[(0, 6, 0)] for _ in range(2))
    assert first["video_id"] == again["video_id"] != ["bad"]
    assert torch.equal(first["rgb"], again["rgb"])
    assert {error.path for error in first["skipped"]} == {str(bad)}
    with pytest.raises(UserError, match="10 videos in a row cannot be read"):
        VideoDataset(given[-1:], made, on_error="skip")[0]


@pytest.mark.parametrize("num_workers", [0, 1])
def test_skipped_videos_are_written_down_and_limited(
    records: list[Record], tmp_path: Path, num_workers: int
) -> None:
    bad = tmp_path / "bad.mp4"
    bad.write_text("no video")
    given = [*records, Record("bad", str(bad), 0)]
    data = module(
        given, batch_size=4, num_workers=num_workers, on_error="skip", max_bad_fraction=0.2
    )
    data.bad_samples.path = tmp_path / "bad_samples.jsonl"
    for _ in range(2):
        assert sum(len(batch["label"]) for batch in data.train_dataloader()) == 7
    assert data.bad_samples.counts() == {"train": 1}
    assert read_counts(tmp_path / "bad_samples.jsonl") == {"train": 1}
    # evaluation has one row less, and says so
    assert sum(len(batch["label"]) for batch in data.test_dataloader()) == 6
    assert data.bad_samples.counts() == {"train": 1, "test": 1}

    strict = module(given, num_workers=num_workers, on_error="skip", max_bad_fraction=0.1)
    with pytest.raises(UserError, match=r"1 of 7 train videos.*data\.max_bad_fraction=0\.1"):
        list(strict.train_dataloader())


class Stuck:
    """A dataset whose second video never comes."""

    def __init__(self, records: list[Record]) -> None:
        self.records = records

    def __getitem__(self, item: Any) -> Any:
        if item[1] == 1:
            threading.Event().wait()
        return {"label": torch.tensor(0)}


def test_a_worker_that_hangs_is_told_with_the_file_it_was_reading(records: list[Record]) -> None:
    guarded = Guarded(Stuck(records), num_workers=1)  # type: ignore[arg-type]
    loader = VideoLoader(guarded, batch_sampler=[[(0, 1, 0)]], num_workers=1, timeout=1)
    with pytest.raises(UserError, match=r"data\.timeout_sec=1") as caught:
        next(iter(loader))
    assert records[1].path in str(caught.value)
