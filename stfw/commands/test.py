"""``stfw test run=...``: the test split, with the run's own or other views.

A weights file is tested on the data that are named: ``stfw test run=<file>.safetensors data=...``.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from stfw.assemble import assemble_data, assemble_network, assemble_task, check
from stfw.build import Build
from stfw.commands.ranks import is_rank_zero
from stfw.commands.resume import choose_folder
from stfw.commands.run import check_data, result_line, scores
from stfw.config import to_plain
from stfw.redact import STRUCK
from stfw.runs.config_text import flatten
from stfw.runs.directory import RunDir, command_line
from stfw.types import UserError, Views, nearest

if TYPE_CHECKING:
    from stfw.inference import Opened

USAGE = "stfw test run=<folder, checkpoint or weights file> [views=3x1]"


def main(words: Sequence[str]) -> None:
    run, overrides = None, []
    for word in words:
        key, found, value = word.partition("=")
        if not found:
            raise UserError(f"{word}: not key=value; write {USAGE}")
        if key in ("run", "weights"):
            if run is not None:
                raise UserError(f"{word}: one run or weights file is tested at a time")
            run = value
        else:
            overrides.append(word)
    if run is None:
        raise UserError(f"name the run: {USAGE}")
    result = test(run, overrides)
    if is_rank_zero():
        print(result)


def test(run: str, overrides: Sequence[str]) -> str:
    """Tests a checkpoint or a weights file; writes its predictions. Returns the result line.

    Those of a checkpoint stand beside it, those of a weights file in a folder of their own.
    """
    from stfw.inference import is_weights_file, open_run, open_weights

    if is_weights_file(run):
        if not any(word.startswith("data=") for word in overrides):
            raise UserError(
                f"{run}: name the data that the weights are tested on: "
                f"stfw test run={run} data=folder data.root=<folder>"
            )
        opened = open_weights(run, overrides)
    else:
        opened = open_run(run)
        apply(opened.cfg, overrides)
        refuse_struck_out(opened.cfg)
        opened.cfg.output_dir = str(_folder(run))
    cfg = opened.cfg
    views = Views.parse(cfg.views)
    check(cfg)
    from stfw.callbacks.predictions_csv import PredictionsCsv
    from stfw.logs import quiet

    quiet()
    build = Build()
    data = assemble_data(cfg, build)
    classes: list[str] = data.reader.classes
    check_data({"test": data.splits["test"]}, classes)
    compare(classes, opened)
    network = assemble_network(cfg, build, len(classes))
    opened.fill(network, classes)
    task = assemble_task(cfg, build, network, classes)
    if opened.about:
        cfg.name = cfg.name or f"{opened.about['preset']}_weights"
        folder = choose_folder(cfg, None, None).path
    else:
        folder = Path(cfg.output_dir)
    data.bad_samples.path = folder / "bad_samples.jsonl"
    path = folder / f"predictions_{views}.csv"
    trainer: Any = build(
        cfg.trainer,
        callbacks=[PredictionsCsv(str(path))],
        logger=False,
        use_distributed_sampler=False,
        enable_model_summary=False,
        enable_progress_bar=False,
        enable_checkpointing=False,
    )
    if is_rank_zero():
        print(f"{len(data.splits['test'])} test videos, views {views}")
    trainer.test(task, data, verbose=False)
    metrics = scores(trainer, "test/")
    for count in data.bad_samples.counts().values():
        print(f"{count} videos could not be read and are not in the figures")
    if trainer.is_global_zero:
        for name, value in sorted(metrics.items()):
            print(f"{name} {value:.4f}")
        print(f"predictions {path}")
        if opened.about:
            RunDir(folder).update(command=command_line(), weights=dict(opened.about), file=run)
        if (folder / "run.json").is_file():
            RunDir(folder).update(tests={str(views): metrics})
    return result_line(metrics, folder)


def compare(classes: Sequence[str], opened: Opened) -> None:
    """Refuses data of other classes than the network tells.

    Raises:
        UserError: says how they differ.
    """
    told, named = opened.classes, "classes" in opened.about
    if list(classes) == told or (named and sorted(classes) == sorted(told)):
        return
    if opened.about and not named and len(classes) == len(told):
        print(f"the weights do not name their {len(told)} classes: taken in the data's order")
        return
    what = "the weights" if opened.about else "the checkpoint"
    why = "train a head for them: stfw train weights=..." if opened.about else ""
    raise UserError(
        f"the data have {len(classes)} classes ({_few(classes)}) and {what} {len(told)} "
        f"({_few(told)}); {why or 'test it on the data it was made for'}"
    )


def apply(cfg: DictConfig, overrides: Sequence[str]) -> None:
    """Sets keys of a stored config; only keys that are there.

    Raises:
        UserError: an unknown key, or a value that does not parse.
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    for text in overrides:
        try:
            parsed = OverridesParser.create().parse_override(text)
        except HydraException as error:
            raise UserError(f"cannot read the override {text}: it must be key=value") from error
        key = str(parsed.key_or_group)
        node: Any = cfg
        for part in key.split("."):
            names = [str(name) for name in node] if isinstance(node, DictConfig) else []
            if part not in names:
                raise UserError(f"{key}: the run has no such key{nearest(part, names)}")
            node = node._get_node(part)
        if isinstance(node, DictConfig):
            raise UserError(f"{text}: a run's {key} is fixed; only its keys can be set")
        try:
            OmegaConf.update(cfg, key, parsed.value())
        except OmegaConfBaseException as error:
            raise UserError(f"{text}: {str(error).splitlines()[0]}") from error


def refuse_struck_out(cfg: DictConfig) -> None:
    """Refuses data whose secret the run did not keep.

    Raises:
        UserError: names the key to give again.
    """
    for key, value in flatten(to_plain(cfg)).items():
        if key.startswith("data.") and STRUCK in str(value):
            raise UserError(
                f"{key}={value}: the run was kept without this secret; give it: {key}=..."
            )


def _folder(run: str) -> Path:
    """Where the results go: the run's folder, or the checkpoint's own."""
    path = Path(run).expanduser().resolve()
    if path.is_dir():
        return path
    return path.parent.parent if path.parent.name == "checkpoints" else path.parent


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
