"""What a run may go on from."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from stfw.commands.resume import check_resume
from stfw.config import compose, to_plain
from stfw.types import UserError


def test_a_run_from_before_a_setting_goes_on_with_what_it_did(tmp_path: Path) -> None:
    cfg = compose("train", ["model=lrcn"]).cfg
    before = to_plain(cfg)
    del before["aggregator"]["with_mean"]
    torch.save({"stfw": {"config": before}}, tmp_path / "last.ckpt")
    check_resume(cfg, tmp_path / "last.ckpt")
    cfg.aggregator.with_mean = True
    with pytest.raises(UserError, match=r"aggregator\.with_mean was None and is True"):
        check_resume(cfg, tmp_path / "last.ckpt")
