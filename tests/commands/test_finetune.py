"""Fine-tuning from a weights file: what is frozen stays, what learns does so at its own rate."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from stfw.assemble import assemble_network
from stfw.build import Build
from stfw.config import compose
from stfw.models.depth import part_of, parts
from stfw.runs import weights_file
from tests.command_line import TINY

Call = Callable[..., tuple[int, str, str]]
NUM_CLASSES = 5  # of the file; the toy has 8
MODELS: dict[str, list[str]] = {
    "r3d_18": ["clip.num_frames=4", "clip.crop_size=32", "encoder.depth=10"],
    "videomae_s": ["clip.num_frames=4", "clip.crop_size=32", "encoder.depth=4"],
    "frame_cnn": ["clip.num_frames=1", "clip.crop_size=32"],
}
STILL = [w for w in TINY if not w.startswith(("clip.", "trainer"))]
STILL += ["clip.short_side=36", "trainer=debug", "trainer.limit_train_batches=1", "test=false"]
# plain steps of known size: no momentum, no decay
STILL += ["optimizer=sgd", "optimizer.lr=0.1", "optimizer.momentum=0", "optimizer.weight_decay=0"]
STILL += ["head.dropout=0", "trainer.gradient_clip_val=null"]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A weights file of another class count for each model."""
    made = {}
    for model, words in MODELS.items():
        torch.manual_seed(1)
        cfg = compose("train", [f"model={model}", *words]).cfg
        network = assemble_network(cfg, Build(), NUM_CLASSES)
        state = {
            name.replace("encoders.rgb.", "encoder."): value
            for name, value in network.state_dict().items()
        }
        made[model] = tmp_path_factory.mktemp("weights") / f"{model}.safetensors"
        weights_file.write(made[model], state, {"preset": model, "num_classes": NUM_CLASSES})
    return made


def fine_tune(
    stfw: Call, files: Mapping[str, Path], model: str, *words: str
) -> tuple[dict[str, Tensor], dict[str, Tensor], torch.nn.Module]:
    """One training step; the encoder's tensors before and after, and the encoder itself."""
    folder = files[model].parent / "-".join(["run", *words])
    call = ["train", *STILL, f"model={model}", *MODELS[model], f"weights={files[model]}", *words]
    status, told, error = stfw(*call, f"output_dir='{folder}'")
    assert status == 0, error
    if model != "videomae_s":
        assert f"{NUM_CLASSES} classes there, 8 here" in told
    saved = torch.load(folder / "checkpoints/last.ckpt", weights_only=True)["state_dict"]
    after = {
        name.removeprefix("network.encoders.rgb."): value
        for name, value in saved.items()
        if name.startswith("network.encoders.rgb.")
    }
    before = {
        name.removeprefix("encoder."): value
        for name, value in weights_file.read(files[model])[0].items()
        if name.startswith("encoder.")
    }
    assert set(before) == set(after)
    cfg = compose("train", [f"model={model}", *MODELS[model]]).cfg
    with torch.device("meta"):
        return before, after, assemble_network(cfg, Build(), 8).encoders["rgb"]


@pytest.mark.parametrize("model", MODELS)
def test_leading_parts_stay_and_the_others_learn(
    stfw: Call, files: dict[str, Path], model: str
) -> None:
    before, after, encoder = fine_tune(stfw, files, model, "task.finetune.freeze=2")
    by_part = parts(encoder)
    moved = {name for name, value in after.items() if not torch.equal(value, before[name])}
    frozen = {name for name in after if part_of(name, by_part) < 2}
    assert len(frozen) > 5
    assert not moved & frozen  # parameters and statistics
    learnt = {part_of(name, by_part) for name in moved}
    assert learnt == set(range(2, len(by_part)))


@pytest.mark.parametrize("model", ["r3d_18", "frame_cnn"])
def test_partial_batch_norm_keeps_all_statistics_but_the_first(
    stfw: Call, files: dict[str, Path], model: str
) -> None:
    before, after, encoder = fine_tune(stfw, files, model, "task.finetune.batch_norm=partial")
    norms = [name for name, module in encoder.named_modules() if isinstance(module, _BatchNorm)]
    assert len(norms) > 10
    for norm in norms:
        for kind in ("weight", "bias", "running_mean", "running_var"):
            name = f"{norm}.{kind}"
            assert torch.equal(after[name], before[name]) == (norm != norms[0]), name
    weights = [name for name in after if name.endswith("weight") and after[name].ndim > 1]
    learnt = [name for name in weights if not torch.equal(after[name], before[name])]
    assert len(learnt) > 3  # a block whose last norm begins at 0, and is held, has no gradient


@pytest.mark.parametrize("model", ["r3d_18", "videomae_s"])
def test_each_layer_steps_so_much_less_than_the_one_behind_it(
    stfw: Call, files: dict[str, Path], model: str
) -> None:
    before, whole, encoder = fine_tune(stfw, files, model)
    _, decayed, _ = fine_tune(stfw, files, model, "task.finetune.layer_decay=0.5")
    by_layer = parts(encoder, fine=True)
    seen = set()
    for name, _ in encoder.named_parameters():
        step, layer = whole[name] - before[name], part_of(name, by_layer)
        if step.norm() > 1e-2:
            factor = float((decayed[name] - before[name]).norm() / step.norm())
            assert factor == pytest.approx(0.5 ** (len(by_layer) - layer), rel=0.02), name
            seen.add(layer)
    assert len(seen) > 3
