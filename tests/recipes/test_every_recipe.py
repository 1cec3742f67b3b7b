"""Every recipe of conf/experiment: it composes, fits the code, builds at its size, and learns.

All are composed once for what stands here; they are called at their published size without
memory, and take two steps with small clips on their readers' own videos.
"""

from __future__ import annotations

import functools
import gc
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from omegaconf import DictConfig, OmegaConf, open_dict

from stfw.assemble import assemble_data, assemble_network, assemble_task, assemble_trainer, check
from stfw.build import Build
from stfw.check import class_fact, needed_weights, resolve_target
from stfw.config import conf_dir, to_plain
from stfw.types import Views
from tests.recipes.shipped import DATA, RECIPES, composed, config


@pytest.mark.parametrize("name", RECIPES)
def test_recipe_fits_the_code_and_says_what_it_is(name: str) -> None:
    cfg, choices = config(name), composed(name).choices
    check(cfg)
    assert choices["data"] == DATA[name.split("/")[0]]
    assert cfg.optimizer.base_batch_size >= 1  # the batch of the published rate
    assert cfg.test_checkpoint == "last"
    assert cfg.loss.label_smoothing in (0.0, 0.1, 0.3)
    if choices["data"] == "ssv2":
        assert cfg.transform.train.flip.prob == 0
    start = composed(name).cfg.weights
    assert start in (None, "imagenet", "kinetics400") or needed_weights(composed(name).cfg)
    first, *lines = (conf_dir() / "experiment" / f"{name}.yaml").read_text().splitlines()
    assert first == "# @package _global_"
    told = " ".join(line[2:] for line in lines if line.startswith("# "))
    assert re.search(r"\b0\.\d{3}|No accuracy is published", told), told
    assert re.search(r"\b20[12]\d\b|MMAction2|GluonCV|PySlowFast|UniFormer", told), told


@pytest.mark.parametrize("name", RECIPES)
def test_recipe_builds_and_sees_its_test_crop_at_its_published_size(name: str) -> None:
    plain = to_plain(config(name))
    apart = {"data", "loss", "lr_scheduler", "name", "optimizer", "task", "trainer", "transform"}
    apart |= {"activation_checkpointing", "callbacks", "logger", "test_checkpoint", "views"}
    kept = {key: value for key, value in plain.items() if key not in apart}
    assert num_logits(json.dumps(kept, sort_keys=True)) == 10


@functools.cache
def num_logits(plain: str) -> int:
    """Of a network built without memory; recipes that differ in their training alone share it."""
    cfg = OmegaConf.create(json.loads(plain))
    with torch.device("meta"):
        network = assemble_network(cfg, Build(), num_classes=10).eval()
        clips = cfg.clip.num_clips
        side = cfg.sampler.crop_size
        batch = {
            stream: torch.empty(
                1,
                1,
                clips,
                class_fact(node.source, "channels", 3),
                node.num_frames or cfg.clip.num_frames,
                side,
                side,
            )
            for stream, node in cfg.streams.items()
        }
        batch["weights"] = torch.ones(1, 1, clips)
        return network(batch).shape[-1]


def test_views_of_every_recipe_are_a_protocol() -> None:
    assert all(Views.parse(composed(name).cfg.views).num_clips >= 1 for name in RECIPES)


def shrink(cfg: DictConfig, root: Path) -> None:
    """Small clips, small batches, few layers, one process; C3D has one size only."""
    fixed = "C3D" in cfg.encoder._target_
    # a 2D network at 32 pixels ends in one value, of which a batch of one frame has no variance
    wide = re.search("swin3d|mvit|uniformer", cfg.encoder._target_)
    side = 64 if wide or "timm" in cfg.encoder._target_ else 32
    side = cfg.clip.crop_size if fixed else side
    if not fixed:
        cfg.clip.num_frames = min(cfg.clip.num_frames, 4 if wide else 8)
    cfg.clip.crop_size, cfg.clip.short_side, cfg.sampler.crop_size = side, side + 8, side
    if "short_side" in cfg.transform.train:
        cfg.transform.train.short_side.min_size = side
        cfg.transform.train.short_side.max_size = side + 8
    for key in ("pool_size", "final_pool"):
        if key in cfg.encoder:
            cfg.encoder[key] = None
    if str(cfg.encoder.get("name", "")).startswith(("vgg", "resnet")):
        cfg.encoder.name = "resnet18"
    if re.search("timesformer|vivit|videomae", cfg.encoder._target_):
        cfg.encoder.depth = 2
    if "mvit" in cfg.encoder._target_:
        cfg.encoder.depth, cfg.encoder.stages = 4, [1, 2, 3]
    depth = cfg.encoder.get("depth")
    if re.search("video_resnet|slowfast|csn", cfg.encoder._target_):
        cfg.encoder.depth = {34: 18, 101: 50, 152: 50}.get(depth, depth)
    if "resnet3d.ResNet3D" in cfg.encoder._target_:
        cfg.encoder.width = 16
    if re.search("swin3d|uniformer", cfg.encoder._target_):
        cfg.encoder.depths = [1, 1, 1, 1]
    cfg.views, cfg.output_dir, cfg.logger = "1x1", str(root / "run"), None
    cfg.data.root = str(root)
    odd = re.search("UCF|HMDB", cfg.data._target_)  # none is left alone: batch norm needs two
    cfg.data.batch_size, cfg.data.num_workers = (1 if fixed else 3 if odd else 2), 0
    small = {"accelerator": "cpu", "devices": 1, "precision": "32-true", "max_epochs": 2}
    asks = "plateau" in cfg.lr_scheduler._target_  # for a validation's score
    small |= {"max_steps": 2, "limit_val_batches": int(asks), "accumulate_grad_batches": 1}
    with open_dict(cfg):
        cfg.trainer.update(small | {"enable_checkpointing": False, "num_sanity_val_steps": 0})
        usual = OmegaConf.load(conf_dir() / "callbacks" / "_default.yaml")
        cfg.callbacks = {k: v for k, v in cfg.callbacks.items() if k not in usual}
    if "precise_bn" in cfg.callbacks:
        cfg.callbacks.precise_bn.num_batches = 1


@pytest.fixture(scope="module")
def toy_roots(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Per data set: the folder of the tiny videos that its reader writes in its own layout."""
    roots = {}
    for data in DATA.values():
        name = next(n for n in RECIPES if composed(n).choices["data"] == data)
        roots[data] = tmp_path_factory.mktemp(data)
        resolve_target(config(name).data._target_).write_toy(roots[data])
    return roots


@pytest.fixture(scope="module")
def _what_stays() -> Iterator[None]:
    gc.freeze()  # modules and composed configs need no look at every collection
    yield
    gc.unfreeze()


@pytest.fixture
def _one_network_at_a_time(_what_stays: None) -> Iterator[None]:
    yield
    gc.collect()  # a task and its trainer hold each other


@pytest.mark.usefixtures("_one_network_at_a_time")
@pytest.mark.parametrize("name", RECIPES)
def test_recipe_takes_two_steps_on_its_readers_toy(name: str, toy_roots: dict[str, Path]) -> None:
    cfg = config(name)
    shrink(cfg, toy_roots[composed(name).choices["data"]])
    data = assemble_data(cfg, Build())
    classes = data.reader.classes
    network = assemble_network(cfg, Build(), len(classes))
    task = assemble_task(cfg, Build(), network, classes, data.splits["train"])
    trainer = assemble_trainer(cfg, Build(), [], [])
    before = {key: value.clone() for key, value in network.head.state_dict().items()}
    trainer.fit(task, data)
    assert trainer.global_step == 2
    after = network.head.state_dict()
    assert all(torch.isfinite(value).all() for value in after.values())
    assert any(not torch.equal(before[key], value) for key, value in after.items())
