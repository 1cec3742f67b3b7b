"""A task so small that whole trainings take a tenth of a second."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from stfw.runs.checkpoint_io import SafeCheckpointIO
from stfw.tasks.classification import Classification
from stfw.transforms.batch import BatchPipeline, MixUp

NUM_CLASSES = 3


class Net(nn.Module):
    """Two layers with batch norm between them; logits_BVK with one view."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(5)
        self.fc1, self.norm1, self.fc2 = nn.Linear(5, 4), nn.BatchNorm1d(4), nn.Linear(4, 3)

    def forward(self, batch: dict[str, Any]) -> Tensor:
        x = self.norm1(self.fc1(self.norm(batch["x"].flatten(1)))).relu()
        return self.fc2(x)[:, None]


class Data(pl.LightningDataModule):
    """Batches of 4, 4 and 2 videos to train on, one of 6 to evaluate on."""

    def __init__(self) -> None:
        super().__init__()
        numbers = torch.Generator().manual_seed(0)
        self.x = torch.randn(10, 5, 1, 1, 1, 1, generator=numbers) * 3 + 1
        self.label = torch.randint(NUM_CLASSES, (10,), generator=numbers)

    def _load(self, cuts: Sequence[tuple[int, int]]) -> DataLoader:
        batches = [
            {
                "x": self.x[begin:end],
                "label": self.label[begin:end],
                "video_id": [f"v{i}" for i in range(begin, end)],
            }
            for begin, end in cuts
        ]
        return DataLoader(batches, batch_size=None)  # type: ignore[arg-type]

    def train_dataloader(self) -> DataLoader:
        return self._load([(0, 4), (4, 8), (8, 10)])

    def val_dataloader(self) -> DataLoader:
        return self._load([(0, 6)])

    test_dataloader = val_dataloader


def task(
    lr: float = 0.1,
    lr_scheduler: Callable[..., Any] | None = None,
    mix: bool = False,
    loss: nn.Module | None = None,
) -> Classification:
    torch.manual_seed(0)
    steps = {"mixup": MixUp() if mix else None}
    return Classification(
        Net(),
        BatchPipeline(steps, {"x": "rgb"}, NUM_CLASSES),
        loss or nn.CrossEntropyLoss(),
        [str(k) for k in range(NUM_CLASSES)],
        partial(torch.optim.SGD, lr=lr, momentum=0.9),
        lr_scheduler,
    )


def trainer(folder: Path, *callbacks: pl.Callback, epochs: int = 2, **more: Any) -> pl.Trainer:
    return pl.Trainer(
        accelerator="cpu",
        devices=1,
        max_epochs=epochs,
        callbacks=list(callbacks),
        logger=False,
        plugins=[SafeCheckpointIO()],
        default_root_dir=folder,
        num_sanity_val_steps=0,
        enable_model_summary=False,
        enable_progress_bar=False,
        **{"enable_checkpointing": False, **more},
    )


def weights(module: nn.Module) -> dict[str, Tensor]:
    """A copy of what learns and of batch norm's statistics."""
    return {name: x.detach().clone() for name, x in module.state_dict().items()}
