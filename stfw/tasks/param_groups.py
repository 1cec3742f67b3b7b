"""Which parameters learn, and how fast: freezing, layer-wise and per-stream learning rates."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim import Optimizer

from stfw.models.depth import part_of, parts
from stfw.types import UserError, nearest

FACTOR, DECAY = "lr_factor", "decay"  # what a group carries through the optimizer
SHARDED = "_fsdp_wrapped_module."  # what FSDP puts into the names of parameters


class FineTuning:
    """What of a network learns, and how fast. As it stands, all of it does alike.

    Args:
        freeze: so many leading parts of each encoder stay as they are (``stfw.models.depth``: a
            ResNet has its stem and four stages), their norms in evaluation mode; or names of
            parameters or modules, in which ``*`` stands for anything.
        layer_decay: the learning rate of an encoder's last layer, and of each layer before it, is
            so many times that of the layer behind it (Clark et al. 2020).
        stream_lr: stream to the factor of the learning rate of its encoder, its aggregator and,
            where logits are fused, its head.
        head_lr: factor of the head's learning rate.
        decay_norms: weight decay also acts on norms and biases, and on what an encoder's own
            ``no_weight_decay()`` names (timm's: positions and class tokens).
        batch_norm: ``train``; ``partial``: all batch norms of an encoder but the first stay as
            they are (Wang et al. 2016, TSN); ``frozen``: all of them.

    Raises:
        UserError: a number out of range.
    """

    def __init__(
        self,
        freeze: int | list[str] = 0,
        layer_decay: float = 1.0,
        stream_lr: dict[str, float] | None = None,
        head_lr: float = 1.0,
        decay_norms: bool = True,
        batch_norm: Literal["train", "partial", "frozen"] = "train",
    ) -> None:
        self.freeze = freeze if isinstance(freeze, int) else list(freeze)
        self.layer_decay, self.head_lr = layer_decay, head_lr
        self.stream_lr = dict(stream_lr or {})
        self.decay_norms, self.batch_norm = decay_norms, batch_norm
        self._settled: dict[str, tuple[float, bool]] = {}  # by parameter
        if isinstance(freeze, int) and freeze < 0:
            raise UserError(f"task.finetune.freeze={freeze} is below 0")
        if not 0 < layer_decay <= 1:
            raise UserError(f"task.finetune.layer_decay={layer_decay} is not in 0..1")
        factors = {"head_lr": head_lr} | {f"stream_lr.{k}": v for k, v in self.stream_lr.items()}
        for name, factor in factors.items():
            if factor < 0:
                raise UserError(f"task.finetune.{name}={factor} is below 0")

    def apply(self, network: nn.Module) -> None:
        """Takes the gradient from what stays as it is.

        Raises:
            UserError: nothing would be left to learn, or a name that the network does not have.
        """
        frozen = self._frozen_names(network)
        for name, parameter in network.named_parameters():
            if name in frozen:
                parameter.requires_grad_(False)
        for norm in self._held_norms(network):
            for parameter in norm.parameters():
                parameter.requires_grad_(False)
        if not any(parameter.requires_grad for parameter in network.parameters()):
            raise UserError(f"task.finetune.freeze={self.freeze} leaves nothing to learn")
        # settled now: a wrapper that shards (FSDP) leaves neither names nor shapes as they are
        factors, spared = self._factors(network), _spared(network)
        self._settled = {
            name: (factors[name], self.decay_norms or (p.ndim > 1 and name not in spared))
            for name, p in network.named_parameters()
        }
        for name in self.stream_lr:
            if name not in (streams := list(_encoders(network))):
                raise UserError(
                    f"task.finetune.stream_lr.{name}: there is no such stream"
                    f"{nearest(name, streams)} (there are: {', '.join(streams)})"
                )

    def hold(self, network: nn.Module) -> None:
        """Puts what stays as it is into evaluation mode; to be called after ``train()``."""
        for norm in self._held_norms(network):
            norm.eval()

        def walk(module: nn.Module) -> None:
            flags = [parameter.requires_grad for parameter in module.parameters()]
            if flags and not any(flags):
                module.eval()
            elif flags:
                for child in module.children():
                    walk(child)

        walk(network)

    def groups(self, network: nn.Module) -> list[dict[str, Any]]:
        """Parameter groups for an optimizer, those of factor 1 first; see ``scale``.

        ``apply`` comes first.
        """
        grouped: dict[tuple[float, bool], list[nn.Parameter]] = {}
        for name, parameter in network.named_parameters():
            if parameter.requires_grad:
                key = self._settled[name.replace(SHARDED, "")]
                grouped.setdefault(key, []).append(parameter)
        order = sorted(grouped, key=lambda key: (key[0] != 1, -key[0], not key[1]))
        return [{"params": grouped[key], FACTOR: key[0], DECAY: key[1]} for key in order]

    def describe(self, network: nn.Module) -> str | None:
        """One line, where not everything learns alike."""
        counts = [(p.numel(), p.requires_grad) for p in network.parameters()]
        learns, total = sum(n for n, flag in counts if flag), sum(n for n, _ in counts)
        told = [f"{learns:,} of {total:,} parameters learn"] if learns < total else []
        if self.layer_decay != 1:
            depth = {name: len(parts(e, fine=True)) for name, e in _encoders(network).items()}
            lowest = min((self.layer_decay**n for n in depth.values()), default=1.0)
            layers = "+".join(map(str, depth.values()))
            told.append(f"learning rate x{lowest:.3g} to x1 over {layers} layers")
        told += [f"{name} x{factor:g}" for name, factor in self.stream_lr.items()]
        told += [f"head x{self.head_lr:g}"] if self.head_lr != 1 else []
        return ", ".join(told) or None

    def _frozen_names(self, network: nn.Module) -> set[str]:
        names = [name for name, _ in network.named_parameters()]
        if not isinstance(self.freeze, int):
            return {name for pattern in self.freeze for name in _matching(pattern, names)}
        frozen: set[str] = set()
        for stream, encoder in _encoders(network).items() if self.freeze else ():
            by_part = parts(encoder)
            if self.freeze > len(by_part):
                raise UserError(
                    f"task.finetune.freeze={self.freeze}: the encoder of {stream} has "
                    f"{len(by_part)} parts"
                )
            frozen |= {
                f"encoders.{stream}.{name}"
                for name, _ in encoder.named_parameters()
                if part_of(name, by_part) < self.freeze
            }
        return frozen

    def _held_norms(self, network: nn.Module) -> Iterator[nn.Module]:
        if self.batch_norm == "train":
            return
        for encoder in _encoders(network).values():
            norms = [module for module in encoder.modules() if isinstance(module, _BatchNorm)]
            yield from norms[1 if self.batch_norm == "partial" else 0 :]

    def _factors(self, network: nn.Module) -> dict[str, float]:
        """Parameter name to the factor of its learning rate."""
        layers = {name: parts(e, fine=True) for name, e in _encoders(network).items()}
        factors = {}
        for name, _ in network.named_parameters():
            room, _, rest = name.partition(".")
            stream, _, inner = rest.partition(".")
            factor = self.head_lr if room == "head" else 1.0
            if room in ("encoders", "aggregators", "head"):  # one head, or one per stream
                factor *= self.stream_lr.get(stream, 1.0)
            if room == "encoders":
                by_layer = layers[stream]
                factor *= self.layer_decay ** (len(by_layer) - part_of(inner, by_layer))
            factors[name] = factor
        return factors


def scale(optimizer: Optimizer, factor: float = 1.0) -> Optimizer:
    """Multiplies each group's learning rate by its factor; no weight decay where it has none.

    Args:
        optimizer: of groups as ``FineTuning.groups`` makes them.
        factor: of all groups.
    """
    for group in optimizer.param_groups:
        group["lr"] = group["lr"] * group.get(FACTOR, 1.0) * factor
        if not group.get(DECAY, True) and "weight_decay" in group:
            group["weight_decay"] = 0.0
    return optimizer


def _spared(network: nn.Module) -> set[str]:
    """Parameters that a network itself keeps from weight decay, as timm's do."""
    return {
        f"{prefix}.{name}" if prefix else name
        for prefix, module in network.named_modules()
        if callable(told := getattr(module, "no_weight_decay", None))
        for name in told()
    }


def _encoders(network: nn.Module) -> Mapping[str, nn.Module]:
    found = getattr(network, "encoders", None)
    return dict(found.items()) if isinstance(found, nn.ModuleDict) else {}


def _matching(pattern: str, names: Sequence[str]) -> list[str]:
    """Parameters whose name, or the name of a module around them, fits the pattern."""
    found = [
        name
        for name in names
        if fnmatch.fnmatchcase(name, pattern) or fnmatch.fnmatchcase(name, f"{pattern}.*")
    ]
    if not found:
        modules = {name.rsplit(".", depth)[0] for name in names for depth in range(4)}
        raise UserError(
            f"task.finetune.freeze: no parameter fits '{pattern}'{nearest(pattern, modules)}"
        )
    return found
