"""What the kinds of published weights share: the encoder they are for, and fetching."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from stfw.runs.download import download
from stfw.types import UserError


def fetch(published: Any) -> dict[str, Any]:
    """The state dict of a torchvision weights entry, from the hub's cache or the network.

    Raises:
        UserError: it cannot be fetched, or its digest is not that in its name.
    """
    import torch

    folder = Path(torch.hub.get_dir()) / "checkpoints"
    name = published.url.rpartition("/")[2]
    digest = re.search(r"-([0-9a-f]{8,})\.", name)
    try:
        download(published.url, folder / name, digest[1] if digest else "")
    except OSError as error:  # URLError is one
        raise UserError(
            f"{published.url} cannot be fetched ({error}); delete what is damaged and run this "
            f"again, or fetch it elsewhere and put it into {folder}"
        ) from error
    state: dict[str, Any] = torch.load(folder / name, map_location="cpu", weights_only=True)
    return state


def visual_encoder(cfg: DictConfig) -> tuple[DictConfig, str]:
    """The config of the first visual stream's encoder, and the name of its module.

    Raises:
        UserError: there is no visual stream.
    """
    for stream in cfg.streams.values():
        if stream.slot == "encoder":
            node = stream.encoder or cfg.encoder
            return node, str(node._target_).split(".")[-2]
    raise UserError(f"weights={cfg.weights}: there is no visual stream to start from them")
