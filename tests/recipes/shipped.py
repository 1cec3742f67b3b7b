"""The shipped recipes, composed once each."""

from __future__ import annotations

import copy
import functools

from omegaconf import DictConfig

from stfw.config import Composed, compose, conf_dir, groups

RECIPES = groups(conf_dir())["experiment"]
DATA = {"kinetics400": "kinetics", "ucf101": "ucf101", "hmdb51": "hmdb51", "ssv2": "ssv2"}


@functools.cache
def composed(name: str) -> Composed:
    return compose("train", [f"experiment={name}", "data.root=x"])


def config(name: str) -> DictConfig:
    """A recipe's config, from scratch: its published weights are not at hand."""
    cfg = copy.deepcopy(composed(name).cfg)
    cfg.weights = None
    return cfg
