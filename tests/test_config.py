"""Composing: precedence, the user's own folder, and mistakes in one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from stfw.config import compose, conf_dir, groups
from stfw.types import UserError


def test_precedence_is_slot_model_command_line() -> None:
    cfg = compose("train", ["model=c3d"]).cfg
    assert cfg.encoder._target_.endswith("C3D")
    assert cfg.optimizer.lr == 0.003  # the model's, over the slot's 0.01
    assert compose("train", ["model=c3d", "optimizer.lr=1"]).cfg.optimizer.lr == 1
    composed = compose("train", ["model=c3d", "encoder=timm", "aggregator=max"])
    assert composed.cfg.encoder._target_.endswith("Timm")
    assert composed.cfg.clip.num_frames == 16
    assert composed.cfg.clip.crop_size == 112  # the rest of the preset stays
    assert composed.choices["aggregator"] == "max"


def test_what_a_preset_sets_in_a_slot_does_not_reach_another_choice() -> None:
    cfg = compose("train", ["model=mc3_18", "encoder=c3d", "encoder.dropout=0.1"]).cfg
    assert "variant" not in cfg.encoder
    assert cfg.encoder.dropout == 0.1
    cfg = compose("train", ["model=two_stream", "fusion=concat", "sampler=sliding"]).cfg
    assert list(cfg.fusion) == ["_target_"]
    assert cfg.sampler.num_frames == cfg.clip.num_frames == 10  # shared facts are followed
    assert compose("train", ["model=c3d", "optimizer=sgd"]).cfg.optimizer.lr == 0.003  # its own
    assert compose("train", ["model=c3d", "optimizer=adamw"]).cfg.optimizer.lr != 0.003
    cfg = compose("train", ["model=c3d", "data=toy", "transform=multi_scale"]).cfg
    assert cfg.transform.train.flip.prob == 0  # the data set's word, not the model's


def test_a_data_set_whose_labels_have_a_direction_is_not_mirrored() -> None:
    assert compose("train", ["model=c3d", "data=toy"]).cfg.transform.train.flip.prob == 0
    assert compose("train", ["data=folder"]).cfg.transform.train.flip.prob == 0.5
    chosen = compose("train", ["data=toy", "transform.train.flip.prob=0.2"])
    assert chosen.cfg.transform.train.flip.prob == 0.2


def test_steps_can_be_removed_by_name() -> None:
    cfg = compose("train", ["~callbacks.progress", "~transform.train.flip"]).cfg
    assert "progress" not in cfg.callbacks
    assert list(cfg.transform.train) == ["crop"]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("model=c3dd", "model=c3dd: no such option; did you mean 'c3d'?"),
        ("encodr=c3d", "encodr: no such key; did you mean 'encoder'?"),
        ("optimizer.lrr=1", "optimizer.lrr: no such key; did you mean 'lr'?"),
        ("trainer.max_epoch=1", "did you mean 'max_epochs'?"),
        ("~callbacks.progres", "did you mean 'progress'?"),
        ("+optimizer.lr=1", "the key is there already"),
        ("data.root=a b,(", "quotes within quotes"),
        ("model", "it must be key=value"),
        ("zzz/yyy=1", "zzz"),
        ("fusion=null", "fusion=null: name an option (there are: bilinear, concat,"),
        ("fusion@fusion.first=sum", "it is added with +fusion@fusion.first="),
    ],
)
def test_mistakes_take_one_sentence(override: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        compose("train", [override])
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_user_s_folder_is_searched_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "mine.yaml").write_text(
        "# @package _global_\ndefaults:\n  - override /encoder: c3d\nhead:\n  dropout: 0.25\n"
    )
    (tmp_path / "optimizer").mkdir()
    (tmp_path / "optimizer" / "sgd.yaml").write_text(
        "_target_: torch.optim.SGD\n_partial_: true\nlr: 7.0\n"
    )
    monkeypatch.setenv("STFW_CONF", str(tmp_path))
    cfg = compose("train", ["model=mine", "optimizer=sgd"]).cfg
    assert cfg.head.dropout == 0.25
    assert cfg.optimizer.lr == 7.0  # the user's file of a shipped name wins
    assert "mine" in groups()["model"]
    monkeypatch.setenv("STFW_CONF", str(tmp_path / "nowhere"))
    with pytest.raises(UserError, match="STFW_CONF"):
        compose("train", [])


def test_every_shipped_file_begins_by_saying_what_it_is() -> None:
    for path in conf_dir().glob("*/*.yaml"):
        if not path.stem.startswith("_"):
            lines = path.read_text().splitlines()
            assert any(line.startswith("# ") and "@package" not in line for line in lines[:2]), path


def test_a_slot_and_what_a_stream_has_for_itself_are_chosen_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "mine.yaml").write_text(
        "# @package _global_\ndefaults:\n  - /aggregator@streams.rgb.aggregator: lstm\n"
        "  - override /aggregator: lstm\naggregator: {hidden_size: 7}\n"
    )
    monkeypatch.setenv("STFW_CONF", str(tmp_path))
    words = ["model=mine", "aggregator=gru", "aggregator@streams.rgb.aggregator=max"]
    cfg = compose("train", words).cfg
    assert cfg.aggregator._target_.endswith("Gru")
    assert cfg.aggregator.hidden_size != 7
    assert cfg.streams.rgb.aggregator._target_.endswith("Max")
