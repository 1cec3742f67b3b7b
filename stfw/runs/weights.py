"""Starting from somebody's weights: ``init_from``."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn

from stfw.runs import checkpoint_io
from stfw.runs.find import find_checkpoint
from stfw.types import UserError


def read_weights(where: str) -> dict[str, Tensor]:
    """The network's weights from a run folder, a checkpoint, a ``.pt`` or ``.safetensors`` file.

    Raises:
        UserError: nothing there, damaged, or no weights inside.
    """
    if Path(where).suffix == ".safetensors":
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            return load_file(where)
        except (OSError, SafetensorError) as error:
            raise UserError(f"init_from={where}: cannot be read: {error}") from error
    content = checkpoint_io.load(find_checkpoint(where))
    state = content.get("state_dict", content)
    weights = {
        name.removeprefix("network."): value
        for name, value in state.items()
        if isinstance(value, Tensor)
        and (name.startswith("network.") or "state_dict" not in content)
    }
    if not weights:
        raise UserError(f"init_from={where}: there are no weights of a network inside")
    return weights


def init_from(network: nn.Module, where: str) -> str:
    """Copies weights into ``network``; a head of another class count stays as it is.

    Returns:
        One sentence of what was copied.

    Raises:
        UserError: keys or shapes of anything but the head differ; lists them.
    """
    weights = read_weights(where)
    own = network.state_dict()
    fresh = [
        name
        for name in own
        if name.startswith("head.")
        and (name not in weights or weights[name].shape != own[name].shape)
    ]
    missing = [name for name in own if name not in weights and name not in fresh]
    unexpected = [name for name in weights if name not in own and not name.startswith("head.")]
    shapes = [
        f"{name} {tuple(weights[name].shape)} for {tuple(own[name].shape)}"
        for name in own
        if name in weights and name not in fresh and weights[name].shape != own[name].shape
    ]
    if missing or unexpected or shapes:
        parts = [
            f"{title}: {', '.join(names[:4])}{' ...' if len(names) > 4 else ''}"
            for title, names in (
                (f"{len(missing)} missing", missing),
                (f"{len(unexpected)} unexpected", unexpected),
                (f"{len(shapes)} of another shape", shapes),
            )
            if names
        ]
        raise UserError(
            f"init_from={where}: the weights are of another network ({'; '.join(parts)}); "
            "choose the model they were trained with"
        )
    taken = {name: weights[name] for name in own if name in weights and name not in fresh}
    network.load_state_dict({**own, **taken})
    text = f"{len(taken)} of {len(own)} tensors from {where}"
    return f"{text}; new: {', '.join(fresh)}" if fresh else text
