"""The dry run: signatures as schema, and the gate on what a config may call."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Literal

import pytest
from omegaconf import OmegaConf

from stfw.assemble import check
from stfw.build import Build
from stfw.check import Check, fits, resolve_target
from stfw.config import compose
from stfw.types import UserError


def mistakes(*overrides: str) -> str:
    with pytest.raises(UserError) as caught:
        check(compose("train", list(overrides)).cfg)
    return str(caught.value)


def test_every_mistake_is_told_at_once() -> None:
    told = mistakes(
        "+encoder.dropuot=0.1", "data.batch_size=1.5", "head.dropout=high", "data=folder"
    ).splitlines()
    assert len(told) == 4
    assert any("data.batch_size: 1.5 is not int" in line for line in told)
    assert any("head.dropout: 'high' is not float" in line for line in told)
    assert any("data.root: is not set; give it as data.root=..." in line for line in told)


def test_a_misspelt_argument_gets_the_nearest_name() -> None:
    told = mistakes("encoder=c3d", "+encoder.dropuot=0.1")
    assert told == (
        "encoder.dropuot: stfw.models.encoders.c3d.C3D has no such argument; "
        "did you mean 'dropout'?"
    )


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("trainer.max_epochs=three", "trainer.max_epochs: 'three' is not int"),
        ("seed=x", "seed: 'x' is not int"),
        ("sampler.short=never", "one of loop, repeat_last, error"),
        ("optimizer.betas=[0.9,x]", "optimizer.betas"),
        ("transform.train.flip.prob=yes!", "transform.train.flip.prob"),
        ("lr_scheduler.warmup_epochs=[1]", "lr_scheduler.warmup_epochs"),
        ("callbacks.best.mode=most", "callbacks.best.mode: 'most' is not one of min, max"),
        ("+streams.rgb.colour=1", "streams.rgb.colour: no such key"),
        ("encoder._target_=stfw.models.encoders.nothing.Net", "nothing to import at"),
        ("clip.num_frames=many", "sampler.num_frames: 'many' is not int"),
    ],
)
def test_wrong_values_are_named_with_their_path(override: str, message: str) -> None:
    assert message in mistakes(*override.split())


def test_a_missing_argument_is_named() -> None:
    cfg = OmegaConf.create({"t": {"_target_": "stfw.transforms.clip.RandomCrop"}})
    dry = Check()
    dry(cfg.t)
    assert dry.mistakes == ["t.size: stfw.transforms.clip.RandomCrop needs this argument"]


DANGEROUS = [
    "os.system",
    "posix.system",
    "logging.os.system",
    "subprocess.run",
    "subprocess.Popen",
    "builtins.eval",
    "builtins.exec",
    "builtins.open",
    "builtins.__import__",
    "pickle.load",
    "pickle.loads",
    "shutil.rmtree",
    "pathlib.Path.touch",
    "pathlib.Path",
    "runpy.run_path",
    "timeit.timeit",
    "ctypes.CDLL",
    "importlib.import_module",
    "numpy.load",
    "joblib.load",
    "torch.load",
    "torch.save",
    "torch.hub.load",
    "torch.nn.modules.module.torch.save",
    "torch.nn.modules.module.torch.load",
    "torch.optim.optimizer.functools.partial",
    "torchvision.datasets.utils.download_url",
    "timm.models.load_checkpoint",
    "stfw.runs.checkpoint_io.load",
    "stfw.runs.checkpoint_io.os.remove",
    "hydra.utils.instantiate",
]


@pytest.mark.parametrize("name", DANGEROUS)
def test_what_a_config_may_not_call_is_refused_before_the_call(name: str) -> None:
    with pytest.raises(UserError, match=r"STFW_TARGETS|nothing to import"):
        resolve_target(name)


def test_refusal_reaches_every_node_of_a_run(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    told = mistakes("loss._target_=pathlib.Path.touch", f"+loss.self={marker}")
    assert "export STFW_TARGETS=pathlib" in told
    assert not marker.exists()


def test_a_user_s_package_is_allowed_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my_nets.py").write_text("class Net:\n    def __init__(self, width: int): ...\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "my_nets", raising=False)
    with pytest.raises(UserError, match="export STFW_TARGETS=my_nets"):
        resolve_target("my_nets.Net")
    monkeypatch.setenv("STFW_TARGETS", "other my_nets")
    assert resolve_target("my_nets.Net").__name__ == "Net"


@pytest.mark.parametrize(
    ("value", "hint", "good"),
    [
        (1, float, True),
        (True, int, False),
        (1.5, int, False),
        ("1", int, False),
        (None, int | None, True),
        (None, int, False),
        ([1, 2], list[int], True),
        ([1, "a"], list[int], False),
        ("ab", list[str], False),
        ([0.9, 0.99], tuple[float, float], True),
        ([0.9], tuple[float, float], False),
        ("a", Literal["a", "b"], True),
        ("c", Literal["a", "b"], False),
        ({"a": 1}, dict[str, int], True),
        ({"a": "x"}, dict[str, int], False),
        (object(), Any, True),
    ],
)
def test_fits(value: object, hint: object, good: bool) -> None:
    assert fits(value, hint) is good


def test_what_the_dry_run_passes_can_be_built() -> None:
    cfg = compose("train", ["model=lrcn"]).cfg
    check(cfg)
    from stfw.assemble import assemble_network

    network = assemble_network(cfg, Build(), num_classes=5)
    assert network.head.fc.out_features == 5
    assert network.head.fc.in_features == cfg.aggregator.hidden_size


def test_a_constructor_s_own_refusal_stays_one_sentence() -> None:
    cfg = OmegaConf.create(
        {"a": {"b": {"_target_": "stfw.transforms.clip.HorizontalFlip", "prob": 2.0}}}
    )
    with pytest.raises(UserError, match=r"flip\.prob=2"):
        Build()(cfg.a)
