"""From records to batches, on footage whose pixels know their frame, row and column."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from stfw.data.datamodule import Loader, VideoDataModule
from stfw.data.dataset import VideoDataset, collate
from stfw.sampling.clip_sampler import ClipSampler
from stfw.transforms.clip import HorizontalFlip, Pipeline, RandomCrop
from stfw.types import Record, Split, VideoError
from tests.coordinate_video import write_coordinate_video

FLIP_AND_CROP = Pipeline({"crop": RandomCrop(32), "flip": HorizontalFlip(0.5)})


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
    dataset = VideoDataset(records, sampler, None, short_side=None)
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
    dataset = VideoDataset([part], ClipSampler(16, crop_size=32), None, short_side=None)
    numbers = dataset[0]["rgb"][0, 0, 0, :, 0, 0]
    assert numbers.tolist() == [10 + i % 10 for i in range(16)]
    late = Record("late", records[0].path, 0, start_sec=99.0)
    with pytest.raises(VideoError, match=r"start_sec=99.*past the end"):
        VideoDataset([late], ClipSampler(4, crop_size=32), None, None)[0]


def test_the_short_side_is_resized_in_decoding(records: list[Record]) -> None:
    dataset = VideoDataset(
        records, ClipSampler(2, short_side=24, crop_size=24), None, short_side=24
    )
    x_CTHW = dataset[0]["rgb"][0, 0]
    assert x_CTHW.shape == (3, 2, 24, 24)
    columns = x_CTHW[2, 0, 12].float()  # 64 columns become 32, of which 4..27 are cut
    assert torch.allclose(columns, 2 * torch.arange(4, 28) + 0.5, atol=1)


def test_an_item_is_drawn_from_seed_epoch_index_and_repeat_alone(records: list[Record]) -> None:
    def draw(seed: int, *item: int) -> torch.Tensor:
        dataset = VideoDataset(records, ClipSampler(4, crop_size=32), FLIP_AND_CROP, None, seed)
        return dataset[item]["rgb"]  # type: ignore[index]

    assert torch.equal(draw(0, 3, 1, 0), draw(0, 3, 1, 0))
    others = [draw(1, 3, 1, 0), draw(0, 4, 1, 0), draw(0, 3, 1, 1)]
    assert not any(torch.equal(draw(0, 3, 1, 0), other) for other in others)


@pytest.mark.parametrize(("num_workers", "method"), [(0, None), (2, "fork"), (1, "spawn")])
def test_batches_are_the_same_however_they_are_loaded(
    records: list[Record], num_workers: int, method: str | None
) -> None:
    def batches(**loader: object) -> list[torch.Tensor]:
        data = VideoDataModule(
            Given(records),
            Loader(batch_size=2, **loader),  # type: ignore[arg-type]
            ClipSampler(4, crop_size=32),
            FLIP_AND_CROP,
            None,
        )
        made = data.train_dataloader()
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
    data = VideoDataModule(
        Given([*records, Record("bad", str(bad), 0)]),
        Loader(batch_size=4, num_workers=num_workers),
        ClipSampler(4, crop_size=32),
        FLIP_AND_CROP,
        None,
    )
    with pytest.raises(VideoError) as caught:
        list(data.train_dataloader())
    assert (caught.value.path, caught.value.kind) == (str(bad), "open")


def test_videos_with_fewer_clips_are_padded_with_weight_zero() -> None:
    def sample(num_clips: int) -> dict:
        return {
            "rgb": torch.ones(1, num_clips, 3, 2, 4, 4, dtype=torch.uint8),
            "weights": torch.ones(1, num_clips),
            "positions": torch.zeros(1, num_clips, 3),
            "label": torch.tensor(0),
            "video_id": ["a"],
            "decode_sec": torch.tensor(0.0),
        }

    batch = collate([sample(3), sample(1)])  # type: ignore[list-item]
    assert batch["rgb"].shape == (2, 1, 3, 3, 2, 4, 4)
    assert batch["weights"].tolist() == [[[1, 1, 1]], [[1, 0, 0]]]
    assert batch["padded"] is True
    assert collate([sample(2), sample(2)])["padded"] is False  # type: ignore[list-item]
