"""stfw: video-understanding experiments launched through config overrides.

``stfw.load(run)`` gives a trained network with its preprocessing and class names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stfw.inference import Model

__version__ = "0.1.0"
__all__ = ["load"]


def load(run: str, device: str = "cpu", views: str | None = None) -> Model:
    """A trained model from a run folder, a checkpoint or a weights file.

    Args:
        run: folder, ``.ckpt`` file, or ``.safetensors`` file of ``stfw weights import``.
        device: where the network goes.
        views: test protocol, ``<clips>x<crops>``; None is the run's own.

    Raises:
        stfw.types.UserError: nothing there, or it cannot be trusted.
    """
    from stfw.inference import load_model  # torch, and only for those who ask

    return load_model(run, device, views)
