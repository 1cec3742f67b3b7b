"""Building what a config names; ``stfw.check`` has the same calls, and builds nothing."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import OmegaConf

from stfw.check import Check
from stfw.types import UserError


class Build:
    """A ``make`` that builds what a node names; what is supplied comes on top."""

    def __call__(
        self,
        node: Any,
        *,
        skip: Collection[str] = (),
        only: Collection[str] | None = None,
        target: Callable[..., Any] | None = None,
        **supplied: Any,
    ) -> Any:
        if node is None:
            return None
        tree = OmegaConf.to_container(node, resolve=True)
        assert isinstance(tree, dict)
        plain: dict[str, Any] = {
            str(k): v for k, v in tree.items() if k not in skip and (only is None or k in only)
        }
        try:
            if target is not None:
                return target(**plain, **supplied)
            if "_target_" not in plain:
                return instantiate(plain, _convert_="object")
            if plain.get("_partial_"):
                return instantiate(plain, _convert_="object")
            # objects must not pass through Hydra, which would turn them into its own containers
            return instantiate(plain, _partial_=True, _convert_="object")(**supplied)
        except InstantiationException as error:
            if isinstance(error.__cause__, UserError):
                raise error.__cause__ from error
            raise

    def join(self, part: Callable[..., Any], *args: Any, **parts: Any) -> Any:
        return part(*args, **parts)

    def refuse(self, message: str) -> None:
        raise UserError(message)


Make = Build | Check
