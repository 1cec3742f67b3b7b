"""Videos as samples, and samples as batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, default_collate

from stfw.data.batches import Item
from stfw.data.sample import Loading, load_sample
from stfw.types import Batch, Record, UserError, VideoError

OnError = Literal["raise", "skip"]
AnyError = TypeVar("AnyError", bound=UserError)
MAX_STAND_INS = 10  # unreadable videos in a row, each drawn at random, before giving up


class VideoDataset(Dataset[Batch]):
    """Videos as samples; all views of a video travel in one sample.

    Args:
        records: the videos of a split.
        loading: how one becomes a sample.
        seed: with epoch, index and repeat it determines every random choice about an item, so the
            same item is drawn with 0 or 8 workers and on 1 or 8 devices.
        on_error: ``raise`` stops at an unreadable video. ``skip`` puts another one in its place,
            always the same one, and names it in ``skipped``; in evaluation, where no other can
            stand in, the sample is empty but for that.
    """

    def __init__(
        self,
        records: Sequence[Record],
        loading: Loading,
        seed: int = 0,
        on_error: OnError = "raise",
    ) -> None:
        self.records, self.loading, self.seed = list(records), loading, seed
        self.on_error = on_error

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, item: Item | int) -> Batch:
        epoch, index, repeat = (0, item, 0) if isinstance(item, int) else item
        if self.loading.transform is None:
            try:
                return load_sample(self.records[index], self.loading)
            except VideoError as error:
                if self.on_error == "raise":
                    raise
                return Batch(skipped=[without_cause(error)])
        skipped: list[VideoError] = []
        generator = np.random.default_rng(np.random.SeedSequence([self.seed, epoch, index, repeat]))
        while True:
            try:
                sample = load_sample(self.records[index], self.loading, generator)
                sample["skipped"] = skipped
                return sample
            except VideoError as error:
                if self.on_error == "raise":
                    raise
                skipped.append(without_cause(error))
                if len(skipped) == MAX_STAND_INS:
                    raise UserError(
                        f"{MAX_STAND_INS} videos in a row cannot be read, the last: {error}; see "
                        "stfw data scan"
                    ) from error
                index = int(generator.integers(len(self.records)))


def without_cause(error: AnyError) -> AnyError:
    """The error alone: its causes need not be picklable."""
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)


def collate(samples: Sequence[Batch]) -> Batch:
    """Joins samples into a batch; videos with fewer views or clips are padded with weight 0.

    A batch without any readable sample holds ``skipped`` alone.
    """
    skipped = [error for sample in samples for error in sample.get("skipped", [])]
    samples = [sample for sample in samples if "label" in sample]
    if not samples:
        return Batch(skipped=skipped)
    num_views, num_clips = np.max([sample["weights"].shape for sample in samples], axis=0)

    def joined(key: str, views: bool = True, clips: bool = True) -> Tensor:
        tensors: list[Tensor] = [sample[key] for sample in samples]  # type: ignore[literal-required]
        if views:
            tensors = [_pad(x, num_views, num_clips if clips else x.shape[1]) for x in tensors]
        return default_collate(tensors)  # in a worker it stacks straight into shared memory

    streams = {}
    for name in samples[0]["present"]:
        # one piece of sound serves all clips of a view: N is 1 and stays 1
        own_clips = all(
            sample[name].shape[1] == sample["weights"].shape[1]  # type: ignore[literal-required]
            for sample in samples
        )
        streams[name] = joined(name, clips=own_clips)
    weights = joined("weights")
    present = {
        name: torch.stack([sample["present"][name] for sample in samples]) for name in streams
    }
    batch = Batch(
        weights=weights,
        positions=joined("positions"),
        label=joined("label", views=False),
        video_id=[name for sample in samples for name in sample["video_id"]],
        present=present,
        decode_sec=joined("decode_sec", views=False),
        padded=bool((weights == 0).any()) or not all(flag_B.all() for flag_B in present.values()),
        skipped=skipped,
    )
    batch.update(streams)  # type: ignore[typeddict-item]  # under the user's own names
    return batch


def _pad(x_VN: Tensor, num_views: int, num_clips: int) -> Tensor:
    """Zeros behind the views, and behind the clips of each."""
    V, N = x_VN.shape[:2]
    if (num_views, num_clips) == (V, N):
        return x_VN
    padded = x_VN.new_zeros(num_views, num_clips, *x_VN.shape[2:])
    padded[:V, :N] = x_VN
    return padded
