"""``stfw doctor``: what this installation and machine can do. Works where little else does."""

from __future__ import annotations

import importlib
import os
import platform
import shutil
import sys
from collections.abc import Callable, Sequence
from importlib import metadata

from stfw.runs.directory import PACKAGES

CODECS = ("h264", "hevc", "mpeg4", "vp9", "av1", "mpeg1video")


def main(words: Sequence[str]) -> None:
    if words:
        from stfw.types import UserError

        raise UserError(f"{words[0]}: stfw doctor takes no arguments")
    problems = 0
    for title, look in (
        ("python", _python),
        ("packages", _packages),
        ("torch and torchvision", _torch_pair),
        ("lightning", _lightning),
        ("codecs", _codecs),
        ("cores", _cores),
        ("memory", _memory),
        ("/dev/shm", _shared_memory),
        ("disk", _disk),
        ("gpu", _gpu),
    ):
        good, text = _guarded(look)
        problems += not good
        print(f"{'ok  ' if good else 'BAD '} {title}: {text}")
    print("everything that training needs is there" if not problems else f"{problems} problems")
    if problems:
        sys.exit(1)


def _guarded(look: Callable[[], tuple[bool, str]]) -> tuple[bool, str]:
    try:
        return look()
    except Exception as error:  # a diagnosis must not die of what it looks for
        return False, " ".join(f"{type(error).__name__}: {error}".split())[:300]


def _python() -> tuple[bool, str]:
    return sys.version_info >= (3, 10), f"{platform.python_version()} at {sys.executable}"


def _packages() -> tuple[bool, str]:
    found, missing = [], []
    for package in PACKAGES:
        try:
            found.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            missing.append(package)
    text = ", ".join(found)
    return not missing, text + (f"; missing: {', '.join(missing)}" if missing else "")


def _torch_pair() -> tuple[bool, str]:
    torch = importlib.import_module("torch")
    try:
        torchvision = importlib.import_module("torchvision")
    except (ImportError, RuntimeError, AttributeError) as error:
        if "nms" in str(error) or "partially initialized" in str(error):
            return False, (
                f"torch {torch.__version__} and torchvision {metadata.version('torchvision')} are "
                "builds that do not fit together; Lightning, timm and torchmetrics cannot be "
                "imported: pip install --force-reinstall torch torchvision"
            )
        raise
    return True, f"torch {torch.__version__} with torchvision {torchvision.__version__}"


def _lightning() -> tuple[bool, str]:
    return True, f"pytorch_lightning {importlib.import_module('pytorch_lightning').__version__}"


def _codecs() -> tuple[bool, str]:
    from stfw.video.probe import decoders

    there = decoders()
    missing = [name for name in CODECS if name not in there]
    text = f"PyAV decodes {', '.join(name for name in CODECS if name in there)}"
    return "h264" in there, text + (f"; not {', '.join(missing)}" if missing else "")


def _cores() -> tuple[bool, str]:
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return True, f"{usable} usable of {os.cpu_count()}"


def _memory() -> tuple[bool, str]:
    if not hasattr(os, "sysconf") or "SC_PHYS_PAGES" not in os.sysconf_names:
        return True, "unknown on this system"
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    return total >= 2, f"{free:.1f} GiB free of {total:.1f} GiB"


def _shared_memory() -> tuple[bool, str]:
    if not os.path.isdir("/dev/shm"):
        return True, "not on this system"
    free = shutil.disk_usage("/dev/shm").free / 2**20
    text = f"{free:.0f} MiB free"
    if free < 512:
        text += "; loading processes pass batches through it: enlarge it, or data.num_workers=0"
    return free >= 512, text


def _disk() -> tuple[bool, str]:
    free = shutil.disk_usage(os.getcwd()).free / 2**30
    return free >= 1, f"{free:.1f} GiB free in {os.getcwd()}"


def _gpu() -> tuple[bool, str]:
    torch = importlib.import_module("torch")
    if not torch.cuda.is_available():
        return True, "none; training runs on the CPU"
    names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return True, ", ".join(names)
