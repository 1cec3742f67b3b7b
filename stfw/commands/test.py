"""``stfw test run=...``: the test split, with the run's own or other views."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from stfw.assemble import Build, assemble_data, assemble_network, assemble_task, check
from stfw.commands.resume import is_rank_zero
from stfw.commands.run import check_data, result_line, scores
from stfw.types import UserError, Views, nearest


def main(words: Sequence[str]) -> None:
    run, overrides = None, []
    for word in words:
        key, found, value = word.partition("=")
        if not found:
            raise UserError(f"{word}: not key=value; write stfw test run=<folder> [views=3x1]")
        if key == "run":
            run = value
        else:
            overrides.append(word)
    if run is None:
        raise UserError("name the run: stfw test run=<folder or checkpoint> [views=3x1]")
    result = test(run, overrides)
    if is_rank_zero():
        print(result)


def test(run: str, overrides: Sequence[str]) -> str:
    """Tests a checkpoint; writes its predictions beside the run's. Returns the result line."""
    from stfw.inference import load_weights, open_checkpoint

    content, cfg, classes = open_checkpoint(run)
    apply(cfg, overrides)
    views = Views.parse(cfg.views)
    folder = _folder(run)
    cfg.output_dir = str(folder)
    check(cfg)
    from stfw.callbacks.predictions_csv import PredictionsCsv
    from stfw.logs import quiet

    quiet()
    build = Build()
    data = assemble_data(cfg, build)
    data.bad_samples.path = folder / "bad_samples.jsonl"
    check_data({"test": data.splits["test"]}, data.reader.classes)
    if data.reader.classes != classes:
        raise UserError(
            f"the data have {len(data.reader.classes)} classes ({_few(data.reader.classes)}) and "
            f"the checkpoint {len(classes)} ({_few(classes)}); test it on the data it was made for"
        )
    network = assemble_network(cfg, build, len(classes))
    load_weights(network, content)
    task = assemble_task(cfg, build, network, classes)
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
        if (folder / "run.json").is_file():
            from stfw.runs.directory import RunDir

            RunDir(folder).update(tests={str(views): metrics})
    return result_line(metrics, folder)


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


def _folder(run: str) -> Path:
    """Where the results go: the run's folder, or the checkpoint's own."""
    path = Path(run).expanduser().resolve()
    if path.is_dir():
        return path
    return path.parent.parent if path.parent.name == "checkpoints" else path.parent


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
