"""``stfw train --help``: the groups, their options, and what each says of itself."""

from __future__ import annotations

from collections.abc import Sequence

from stfw.cli import COMMANDS
from stfw.config import groups

USAGE = {
    "train": """usage: stfw train [group=option ...] [key=value ...] [-m]

  stfw train model=c3d data=ucf101 data.root=/data/UCF-101 data.split=1
  stfw train model=lrcn optimizer.lr=1e-3 trainer.max_epochs=20 seed=1
  stfw train -m model=c3d,lrcn seed=1,2        every combination, each a process of its own
  stfw train -m seed=0,1,2 jobs=2 skip_finished=true    two at a time, only what is missing
  stfw train -m seed=0,1,2 launcher=submitit   as SLURM jobs; also joblib, submitit_local, ray
  stfw train resume=auto                       goes on with the newest unfinished run of this kind
""",
    "test": """usage: stfw test run=<folder, checkpoint or weights file> [views=3x1] [key=value ...]

  stfw test run=runs/stconv_toy/2026-01-31_12-00-00-abc123 views=3x1
  stfw test run=model.ckpt data.root=/elsewhere/UCF-101
  stfw test run=mc3_18.safetensors data=folder data.root=/videos
""",
    "config": """usage: stfw config [group=option ...] [key=value ...] [check=true]

  stfw config model=c3d                        prints what stfw train model=c3d would run
  stfw config model=c3d check=true             also checks every key against the code
""",
}


def main(words: Sequence[str]) -> None:
    command = words[0]
    print(f"stfw {command}: {COMMANDS[command]}\n\n{USAGE[command]}")
    if command == "test":
        return
    print("groups and their options:")
    found = groups()
    width = max(map(len, found))
    for group, options in found.items():
        print(f"  {group:<{width}}  {', '.join(options)}")
    print("\nkeys: stfw config prints them all with their values")
