"""The built wheel, installed elsewhere, runs from an unrelated folder with a user's own model."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
USER_NET = '''
from torch import nn

class Tiny(nn.Module):
    """The mean of every frame, through one layer."""

    def __init__(self, in_channels: int, width: int = 8) -> None:
        super().__init__()
        self.fc, self.num_features = nn.Linear(in_channels, width), width

    def forward(self, x_BCTHW):
        return self.fc(x_BCTHW.mean(dim=(3, 4)).transpose(1, 2))
'''


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel's content, as an installation would lay it out (no network, no environment)."""
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "-o", str(out)]
    done = subprocess.run([*command, str(ROOT)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = out.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(out / "site")
    return out / "site"


def run(site: Path, where: Path, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    code = f"import sys; sys.path[:] = [p for p in sys.path if {str(ROOT)!r} not in p]; "
    # -P and a finder-free path: an editable installation must not answer for the wheel
    code += "sys.meta_path[:] = [f for f in sys.meta_path if 'editable' not in repr(f).lower()]; "
    code += f"sys.path.insert(0, {str(site)!r}); import stfw; "
    code += f"assert stfw.__file__.startswith({str(site)!r}), stfw.__file__; "
    code += f"from stfw.cli import main; main({list(words)!r})"
    environment = {**os.environ, **env}
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=where, env=environment
    )


def test_every_yaml_is_in_the_wheel(site: Path) -> None:
    shipped = {p.relative_to(ROOT / "conf") for p in (ROOT / "conf").rglob("*.yaml")}
    packed = {p.relative_to(site / "stfw/conf") for p in (site / "stfw/conf").rglob("*.yaml")}
    assert packed == shipped
    assert not (site / "conf").exists()
    assert not (site / "tests").exists()


def test_it_trains_a_user_s_model_from_anywhere(site: Path, tmp_path: Path) -> None:
    conf, work = tmp_path / "my_conf", tmp_path / "work"
    for folder in (conf / "model", conf / "encoder", work):
        folder.mkdir(parents=True)
    (work / "my_nets.py").write_text(USER_NET)
    (conf / "encoder" / "tiny.yaml").write_text("_target_: my_nets.Tiny\nwidth: 4\n")
    (conf / "model" / "mine.yaml").write_text(
        "# @package _global_\ndefaults:\n  - override /encoder: tiny\n"
    )
    words = ["train", "model=mine", "trainer=debug", "data.num_train=8", "data.num_val=8"]
    words += ["data.num_test=8", "data.num_frames=32", "data.size=32", "data.num_workers=0"]
    refused = run(site, work, *words, STFW_CONF=str(conf))
    assert refused.returncode == 2
    assert "export STFW_TARGETS=my_nets" in refused.stderr
    done = run(site, work, *words, STFW_CONF=str(conf), STFW_TARGETS="my_nets")
    assert done.returncode == 0, done.stderr
    assert "encoder=tiny" in done.stdout
    assert done.stdout.strip().splitlines()[-1].startswith("test/top1")
    (folder,) = (work / "runs" / "mine_toy").iterdir()
    assert (folder / "report.html").is_file()
