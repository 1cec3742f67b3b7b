"""``stfw doctor`` and ``stfw completion``."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

Call = Callable[..., tuple[int, str, str]]

BROKEN = """
import sys
class Broken:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torchvision", "pytorch_lightning"):
            raise RuntimeError("operator torchvision::nms does not exist")
sys.meta_path.insert(0, Broken())
from stfw.cli import main
main({words!r})
"""


def broken(*words: str) -> subprocess.CompletedProcess[str]:
    code = BROKEN.format(words=list(words))
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


def test_doctor_names_everything(stfw: Call) -> None:
    _, told, _ = stfw("doctor")
    for word in ("python", "torch ", "torchvision", "h264", "cores", "memory", "/dev/shm", "gpu"):
        assert word in told


def test_doctor_names_the_pair_that_does_not_fit_and_works_without_lightning() -> None:
    done = broken("doctor")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "BAD  torch and torchvision" in done.stdout
    assert "pip install --force-reinstall torch torchvision" in done.stdout
    assert "BAD  lightning" in done.stdout
    assert "ok   codecs" in done.stdout


def test_training_with_that_pair_says_what_to_do() -> None:
    done = broken("train")
    assert done.returncode == 2
    assert "do not fit together" in done.stderr
    assert "Traceback" not in done.stderr


def test_completion_of_commands_groups_and_options(stfw: Call, tmp_path: Path) -> None:
    assert stfw("completion", "candidates", "stfw tr")[1].split() == ["train"]
    assert "model=c3d" in stfw("completion", "candidates", "stfw train model=")[1].split()
    assert "encoder=" in stfw("completion", "candidates", "stfw train enc")[1].split()
    (tmp_path / "videos").mkdir()
    line = f"stfw train data.root={tmp_path}/vi"
    assert stfw("completion", "candidates", line)[1].strip() == f"data.root={tmp_path}/videos/"


def test_the_bash_script_completes_in_bash() -> None:
    script = f"""
stfw() {{ {sys.executable} -m stfw "$@"; }}
source <(stfw completion bash)
COMP_LINE="stfw train model=l" COMP_POINT=18
_stfw
echo "${{COMPREPLY[@]}}"
"""
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True)
    assert done.stdout.strip() == "model=lrcn"


def test_the_zsh_script_is_printed(stfw: Call) -> None:
    assert stfw("completion", "zsh")[1].startswith("#compdef stfw")
