"""``stfw``: finds the command and says its mistakes in one sentence. Imports nothing heavy."""

from __future__ import annotations

import difflib
import importlib
import os
import sys
from collections.abc import Sequence

COMMANDS = {
    "train": "train, validate, test and report one run (-m: several)",
    "test": "test a run's checkpoint: run=<folder> [views=10x3]",
    "predict": "label files or folders: <run> <files or folders>",
    "data": "scan, prepare, split, browse, pack, verify data; extract flow",
    "zoo": "every preset: exact parameters and GMACs beside the published; zoo check demands them",
    "weights": "import <file> as=<preset>: somebody else's checkpoint; show <file>",
    "tune": "lr, batch or loader: what suits this model, these data and this machine",
    "profile": "where the time of training goes: one page, a trace, and what to try",
    "sweep": "search hyperparameters: sweep=<name> [overrides]; sweep report",
    "runs": "list, diff, explain, compare, best, tag and clean finished runs",
    "table": "table=<name>: run what a table of results lacks, and write it",
    "fuse": "late fusion of finished runs: <run> <run> [...]",
    "config": "print the composed run without starting it; check=true checks it",
    "doctor": "say what this machine and installation can do",
    "completion": "print shell completion: bash or zsh",
}

# words of stfw train that say how runs are started
LAUNCH = ("-m", "--multirun", "launcher=", "launcher.", "+launcher.", "jobs=", "skip_finished=")

HELP = """usage: stfw <command> [arguments]

{commands}

train, test, tune, profile, sweep, table and config take overrides:
stfw train model=c3d optimizer.lr=0.01
stfw <command> --help tells more; stfw train alone runs on videos that stfw makes itself.
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs a command; exits with 2 after a user's mistake, 130 after Ctrl-C."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words or words[0] in ("-h", "--help", "help"):
        width = max(map(len, COMMANDS))
        listed = "\n".join(f"  {name:<{width}}  {text}" for name, text in COMMANDS.items())
        print(HELP.format(commands=listed), end="")
        return
    if words[0] in ("-V", "--version", "version"):
        from stfw import __version__

        print(f"stfw {__version__}")
        return
    command, rest = words[0], words[1:]
    if command not in COMMANDS:
        near = difflib.get_close_matches(command, COMMANDS, n=1)
        hint = f"did you mean '{near[0]}'?" if near else f"there are: {', '.join(COMMANDS)}"
        fail(f"{command}: no such command; {hint}")
    if os.getcwd() not in sys.path:  # a user's own module, named in a _target_, is found
        sys.path.insert(0, os.getcwd())
    run(command, rest)


def run(command: str, words: Sequence[str]) -> None:
    """Calls ``stfw.commands.<command>.main`` and turns mistakes into one line and exit 2."""
    from stfw.types import UserError

    try:
        if command in ("train", "test", "config") and {"-h", "--help"} & set(words):
            command, words = "help", [command]
        elif command == "train" and any(word.startswith(LAUNCH) for word in words):
            command = "multirun"
        importlib.import_module(f"stfw.commands.{command}").main(words)
        sys.stdout.flush()
    except UserError as error:
        fail(str(error))
    except BrokenPipeError:  # stfw ... | head
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        sys.exit(130)
    except (ImportError, RuntimeError) as error:
        if "torchvision::nms" in str(error):
            fail(
                "torch and torchvision do not fit together (a CPU build of one, a CUDA build of "
                "the other); reinstall both: pip install --force-reinstall torch torchvision"
            )
        raise


def fail(message: str) -> None:
    """Prints to standard error and exits with 2."""
    for line in message.splitlines():
        print(f"stfw: {line}", file=sys.stderr)
    sys.exit(2)


if __name__ == "__main__":
    main()
