"""A clock that gives every moment to one stage of a training step: the shares add up."""

from __future__ import annotations

import copy
import dataclasses
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
from pytorch_lightning.profilers import Profiler

from stfw.data.dataset import VideoDataset, collate
from stfw.video import decode

Call = TypeVar("Call", bound=Callable[..., Any])

WAIT, MOVE, TRANSFORM = "waiting for data", "moving", "batch transform"
FORWARD, LOSS, BACKWARD, OPTIMIZER = "forward", "loss", "backward", "optimizer"
CALLBACKS, LOOP = "callbacks and logging", "the loop itself"
STAGES = (WAIT, MOVE, TRANSFORM, FORWARD, LOSS, BACKWARD, OPTIMIZER, CALLBACKS, LOOP)

# what Lightning calls what it does, by the last word: "[Strategy]...batch_to_device"
OF_HOOK = {
    "train_dataloader_next": WAIT,
    "batch_to_device": MOVE,
    "transfer_batch_to_device": MOVE,
    "on_before_batch_transfer": MOVE,
    "on_after_batch_transfer": MOVE,
    "training_step": CALLBACKS,  # what is none of the parts within: scores and logging
    "backward": BACKWARD,
    "optimizer_step": OPTIMIZER,
    "optimizer_zero_grad": OPTIMIZER,
    "configure_gradient_clipping": OPTIMIZER,
    "lr_scheduler_step": OPTIMIZER,
}

DECODE, SCALE, STREAMS, CLIP, SAMPLE, COLLATE, REST = (
    "decoding",
    "scaling and colours",
    "sound, flow and differences",
    "clip transform",
    "choosing frames",
    "making a batch",
    "index, cutting and the rest",
)
PARTS = (DECODE, SCALE, STREAMS, CLIP, SAMPLE, COLLATE, REST)


class Stages(Profiler):
    """Seconds by stage; what lies within another stage is not counted there.

    It is a profiler of Lightning's, which tells it of every hook; ``watch`` adds the parts of the
    training step.

    Args:
        rest: the stage of all that nobody names.
        device: a GPU, which is waited for at the borders of stages; None: nothing is waited for.
    """

    def __init__(self, rest: str = LOOP, device: torch.device | None = None) -> None:
        super().__init__()
        self.sec: dict[str, float] = {}
        self.annotates = False  # names stages in a trace
        self._device = device
        self._open: list[tuple[str, Any]] = [(rest, None)]
        self._last = time.perf_counter()

    def start(self, action_name: str) -> None:
        self.count()
        stage = stage_of(action_name) or self._open[-1][0]
        mark = None
        if self.annotates:
            mark = torch.profiler.record_function(stage)
            mark.__enter__()
        self._open.append((stage, mark))

    def stop(self, action_name: str) -> None:
        self.count()
        _, mark = self._open.pop()
        if mark is not None:
            mark.__exit__(None, None, None)

    def count(self) -> None:
        """Gives the time since the last border to the stage that is open."""
        if self._device is not None:
            torch.cuda.synchronize(self._device)
        now, stage = time.perf_counter(), self._open[-1][0]
        self.sec[stage] = self.sec.get(stage, 0.0) + now - self._last
        self._last = now

    def reset(self) -> None:
        """Counts from now on."""
        self.count()
        self.sec.clear()

    def watch(self, task: Any, compiled: bool = False) -> None:
        """Tells batch transform, forward and loss of a task apart.

        Args:
            task: a ``Classification``.
            compiled: whether ``torch.compile`` must be kept from looking into the clock.
        """
        for module, stage in (
            (task.batch_transform, TRANSFORM),
            (task.network, FORWARD),
            (task.loss, LOSS),
        ):

            def begin(*_: Any, stage: str = stage) -> None:
                self.start(stage)

            def end(*_: Any, stage: str = stage) -> None:
                self.stop(stage)

            if compiled:
                begin, end = torch.compiler.disable(begin), torch.compiler.disable(end)
            module.register_forward_pre_hook(begin)
            module.register_forward_hook(end)

    def timed(self, stage: str, function: Call) -> Call:
        """The function, with its time given to a stage."""

        def call(*args: Any, **named: Any) -> Any:
            self.start(stage)
            try:
                return function(*args, **named)
            finally:
                self.stop(stage)

        return call  # type: ignore[return-value]


def stage_of(action: str) -> str | None:
    """The stage of what Lightning calls an action; None: that of what it lies in."""
    if action in STAGES or action in PARTS:
        return action
    if action.startswith("[Callback]"):
        return CALLBACKS
    hook = action.rpartition(".")[2]
    return OF_HOOK.get(hook) or (CALLBACKS if hook.startswith("on_") else None)


def loader_parts(dataset: VideoDataset, indices: Sequence[int]) -> dict[str, float]:
    """Reads samples here, without workers.

    Args:
        dataset: of the training split.
        indices: of the videos.

    Returns:
        Seconds per sample by part. Scaling, with the change to RGB that it does at once, stands
        apart from decoding where PyAV decodes.
    """
    clock, loading = Stages(REST), dataset.loading

    usual = decode.VideoReformatter

    class Watched:
        def __init__(self) -> None:
            self.reformat = clock.timed(SCALE, usual().reformat)

    streams = {}
    for name, stream in loading.streams.items():
        source = copy.copy(stream.source)
        source.read = clock.timed(STREAMS, source.read)
        streams[name] = dataclasses.replace(stream, source=source)
    watched = dataclasses.replace(
        loading,
        sampler=clock.timed(SAMPLE, loading.sampler),
        transform=clock.timed(CLIP, loading.transform) if loading.transform else None,
        decode=clock.timed(DECODE, loading.decode),
        streams=streams,
    )
    watching = VideoDataset(dataset.records, watched, dataset.seed, dataset.on_error)
    decode.VideoReformatter = Watched  # type: ignore[misc,assignment]
    try:
        watching[indices[0]]  # opens what is opened once
        clock.reset()
        samples = [watching[index] for index in indices]
        clock.timed(COLLATE, collate)(samples)
        clock.count()
    finally:
        decode.VideoReformatter = usual  # type: ignore[misc]
    return {part: clock.sec[part] / len(indices) for part in PARTS if part in clock.sec}
