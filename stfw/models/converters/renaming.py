"""Names of somebody else's weights -> ours, by a table of patterns."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from torch import Tensor

from stfw.types import UserError

Rule = tuple[str, str | None]
FOREIGN_HEAD: Rule = (r"(?:cls_head\.fc_cls|fc)\.(weight|bias)", r"head.fc.\1")


def rename(state: Mapping[str, Tensor], rules: Sequence[Rule], source: str) -> dict[str, Tensor]:
    """Gives every tensor our name.

    Args:
        state: the foreign state dict.
        rules: (pattern of the whole name, replacement); the first that fits counts. None as the
            replacement drops the tensor.
        source: where the weights come from, for the message.

    Raises:
        UserError: a name that no rule knows, or two names that become one.
    """
    ours: dict[str, Tensor] = {}
    for name, tensor in state.items():
        for pattern, replacement in rules:
            match = re.fullmatch(pattern, name)
            if match is None:
                continue
            if replacement is not None:
                new_name = match.expand(replacement)
                if new_name in ours:
                    raise UserError(f"{source}: two tensors become {new_name}, one of them {name}")
                ours[new_name] = tensor
            break
        else:
            raise UserError(
                f"{source}: no place for {name}; are these weights of another network or source?"
            )
    return ours
