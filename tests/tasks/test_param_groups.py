"""A step changes exactly the parameters it should, by the factor it should."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import nn

from stfw.build import Build
from stfw.config import compose, conf_dir, groups
from stfw.models.aggregators.mean import Mean
from stfw.models.encoders.stconv import StConv
from stfw.models.fusions.concat import Concat
from stfw.models.heads.linear import Linear
from stfw.models.recognizer import Recognizer
from stfw.tasks.classification import Classification
from stfw.tasks.param_groups import FineTuning
from stfw.types import UserError

LR = 0.5


def network() -> Recognizer:
    torch.manual_seed(0)
    channels = {"rgb": 3, "flow": 2}
    return Recognizer(
        {name: StConv(C, channels=(4, 6, 8)) for name, C in channels.items()},
        {name: Mean(8) for name in channels},
        Concat({"rgb": 8, "flow": 8}),
        Linear(16, 3),
    )


def batch() -> dict:
    return {
        "rgb": torch.randn(4, 1, 1, 3, 4, 16, 16),
        "flow": torch.randn(4, 1, 1, 2, 4, 16, 16),
        "label": torch.tensor([0, 1, 2, 0]),
    }


def step(finetune: FineTuning, **optimizer: float) -> tuple[dict[str, float], set[str]]:
    """One step of SGD: parameter -> change / (-LR * gradient); changed batch-norm statistics."""
    net = network()
    make = partial(torch.optim.SGD, **{"lr": LR, **optimizer})
    loss = nn.CrossEntropyLoss()
    task = Classification(net, nn.Identity(), loss, ["a", "b", "c"], make, finetune=finetune)
    task.train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    data = batch()
    loss(net(data)[:, 0], data["label"]).backward()
    task.configure_optimizers().step()
    factors = {}
    for name, parameter in net.named_parameters():
        change = before[name] - parameter.detach()
        if not change.any():
            factors[name] = 0.0
            continue
        ratio = change.norm() / (LR * parameter.grad.norm())
        factors[name] = round(float(ratio), 4)
    buffers = {
        name
        for name, value in net.named_buffers()
        if name.endswith("running_mean") and not torch.equal(value, before[name])
    }
    return factors, buffers


def by_block(factors: dict[str, float], stream: str) -> list[set[float]]:
    """Factors of the three blocks: convolution and norm together."""
    prefix = f"encoders.{stream}.blocks."
    return [
        {v for n, v in factors.items() if n.startswith((f"{prefix}{i}.", f"{prefix}{i + 1}."))}
        for i in (0, 4, 8)
    ]


def test_as_it_stands_everything_learns_alike() -> None:
    factors, buffers = step(FineTuning())
    assert set(factors.values()) == {1.0}
    assert len(buffers) == 6


def test_leading_parts_stay_as_they_are_with_their_statistics() -> None:
    factors, buffers = step(FineTuning(freeze=2))
    for stream in ("rgb", "flow"):
        assert by_block(factors, stream) == [{0.0}, {0.0}, {1.0}]
    assert factors["head.fc.weight"] == factors["head.fc.bias"] == 1.0
    assert buffers == {f"encoders.{s}.blocks.9.running_mean" for s in ("rgb", "flow")}


@pytest.mark.parametrize(
    ("patterns", "frozen"),
    [
        (["encoders.rgb"], "encoders.rgb."),
        (["encoders.rgb.*"], "encoders.rgb."),
        (["encoders.*.blocks.0", "encoders.*.blocks.1.weight"], None),
        (["encoders"], "encoders."),
    ],
)
def test_names_stay_as_they_are(patterns: list[str], frozen: str | None) -> None:
    factors, buffers = step(FineTuning(freeze=patterns))
    still = {name for name, factor in factors.items() if factor == 0}
    if frozen is None:
        ends = ("blocks.0.weight", "blocks.1.weight")
        assert still == {name for name in factors if name.endswith(ends)}
        assert len(buffers) == 6  # a norm that still learns its bias still counts
    else:
        assert still == {name for name in factors if name.startswith(frozen)}
        assert not any(name.startswith(frozen) for name in buffers)


def test_each_layer_is_slower_than_the_one_behind_it() -> None:
    factors, _ = step(FineTuning(layer_decay=0.5))
    assert by_block(factors, "rgb") == [{0.125}, {0.25}, {0.5}]
    assert factors["head.fc.weight"] == 1.0


def test_streams_and_head_have_factors_that_multiply() -> None:
    factors, _ = step(FineTuning(stream_lr={"flow": 0.1}, layer_decay=0.5, head_lr=4.0))
    assert by_block(factors, "rgb") == [{0.125}, {0.25}, {0.5}]
    assert by_block(factors, "flow") == [{0.0125}, {0.025}, {0.05}]
    assert factors["head.fc.bias"] == 4.0


def test_norms_and_biases_may_go_without_weight_decay() -> None:
    net = network()
    make = partial(torch.optim.SGD, lr=LR, weight_decay=0.1)
    tuning = FineTuning(decay_norms=False, layer_decay=0.5)
    task = Classification(net, nn.Identity(), nn.Identity(), ["a"], make, finetune=tuning)
    before = {name: value.clone() for name, value in net.named_parameters()}
    for parameter in net.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer = task.configure_optimizers()
    optimizer.step()
    factor = {"encoders.rgb.blocks.8.weight": 0.5, "head.fc.weight": 1.0}
    for name, parameter in net.named_parameters():
        if parameter.ndim == 1:
            assert torch.equal(parameter, before[name]), name
        elif name in factor:  # lr x factor x decay of its own value
            left = 1 - LR * factor[name] * 0.1
            torch.testing.assert_close(parameter, before[name] * left)
    assert optimizer.param_groups[0]["lr"] == LR  # what metrics.csv shows is the rate as given


@pytest.mark.parametrize(("mode", "learning"), [("train", 6), ("partial", 2), ("frozen", 0)])
def test_batch_norms_keep_their_statistics_and_scales(mode: str, learning: int) -> None:
    factors, buffers = step(FineTuning(batch_norm=mode))
    assert len(buffers) == learning
    norms = {name: f for name, f in factors.items() if f".blocks.{1}." in name}
    assert set(norms.values()) == ({0.0} if mode == "frozen" else {1.0})
    late = {f for name, f in factors.items() if ".blocks.5." in name}
    assert late == ({1.0} if mode == "train" else {0.0})
    assert all(f == 1.0 for name, f in factors.items() if name.endswith("blocks.4.weight"))


def test_evaluation_and_training_again_keeps_norms_held() -> None:
    net = network()
    task = Classification(
        net, nn.Identity(), nn.Identity(), ["a"], torch.optim.SGD, finetune=FineTuning(freeze=1)
    )
    first, second = net.encoders["rgb"].blocks[1], net.encoders["rgb"].blocks[5]
    for _ in range(2):
        assert (first.training, second.training) == (False, True)
        task.eval()
        assert not second.training
        task.train()


def test_a_schedule_scales_every_group_alike() -> None:
    from stfw.tasks.schedules import cosine

    net = network()
    make = partial(torch.optim.AdamW, lr=1.0)
    tuning = FineTuning(layer_decay=0.5)
    task = Classification(net, nn.Identity(), nn.Identity(), ["a"], make, finetune=tuning)
    optimizer = task.configure_optimizers()
    scheduler = cosine(optimizer, num_steps=10, num_epochs=1)
    for _ in range(5):
        optimizer.step()
        scheduler.step()
    assert [g["lr"] for g in optimizer.param_groups] == pytest.approx([0.5, 0.25, 0.125, 0.0625])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"freeze": -1}, "freeze=-1 is below 0"),
        ({"freeze": 4}, "the encoder of rgb has 3 parts"),
        ({"freeze": ["encoders.rbg"]}, "no parameter fits 'encoders.rbg'; did you mean"),
        ({"freeze": ["*"]}, "leaves nothing to learn"),
        ({"layer_decay": 1.5}, "layer_decay=1.5 is not in 0..1"),
        ({"stream_lr": {"flwo": 1.0}}, "stream_lr.flwo: there is no such stream; did you mean"),
        ({"stream_lr": {"flow": -1.0}}, "stream_lr.flow=-1.0 is below 0"),
    ],
)
def test_mistakes_are_named(arguments: dict, message: str) -> None:
    with pytest.raises(UserError, match=message.replace("*", r"\*")):
        FineTuning(**arguments).apply(network())


def test_it_says_what_it_does() -> None:
    net = network()
    tuning = FineTuning(freeze=["encoders"], head_lr=10.0)
    tuning.apply(net)
    total = sum(p.numel() for p in net.parameters())
    assert tuning.describe(net) == f"51 of {total:,} parameters learn, head x10"
    assert FineTuning().describe(network()) is None


NO_DECAY = {"_BatchNorm", "LayerNorm", "GroupNorm"}


@pytest.mark.parametrize("name", groups(conf_dir())["encoder"])
def test_what_goes_without_weight_decay_are_the_norms_and_biases(name: str) -> None:
    """Of every encoder: by the kind of the module that a parameter stands in."""
    small = ["encoder.name=vit_tiny_patch16_224"] if name == "timm" else []
    cfg = compose("train", [f"encoder={name}", *small]).cfg
    with torch.device("meta"):
        encoder = Build()(cfg.encoder, in_channels=3)
    net = nn.Module()
    net.encoders = nn.ModuleDict({"rgb": encoder})
    tuning = FineTuning(decay_norms=False)
    tuning.apply(net)
    spared = {id(p) for g in tuning.groups(net) if not g["decay"] for p in g["params"]}
    expected = set()
    for module in encoder.modules():
        kinds = {kind.__name__ for kind in type(module).__mro__}
        for leaf, parameter in module.named_parameters(recurse=False):
            token = leaf == "class_token" and parameter.ndim < 2  # torchvision's MViT
            if kinds & NO_DECAY or leaf in ("bias", "q_bias", "v_bias") or token:
                expected.add(id(parameter))
    own = {id(p) for n, p in encoder.named_parameters() if n in told(encoder)}
    flat = {id(p) for p in encoder.parameters() if p.ndim < 2} - expected
    names = [n for n, p in encoder.named_parameters() if id(p) in flat]
    assert not names, "vectors that are neither"
    assert spared == expected | own


def told(encoder: nn.Module) -> set[str]:
    """What timm's networks themselves keep from decay."""
    net = getattr(encoder, "net", None)
    return {f"net.{n}" for n in net.no_weight_decay()} if hasattr(net, "no_weight_decay") else set()


def test_groups_are_those_before_a_wrapper_shards() -> None:
    """FSDP puts itself into names and leaves vectors of what were matrices."""
    net = network()
    tuning = FineTuning(layer_decay=0.5, decay_norms=False)
    tuning.apply(net)
    plain = [(g["lr_factor"], g["decay"], len(g["params"])) for g in tuning.groups(net)]
    for encoder in net.encoders.values():
        for index in (0, 4):  # a convolution each
            wrapper = nn.Module()
            wrapper._fsdp_wrapped_module = encoder.blocks[index]
            encoder.blocks[index] = wrapper
    for parameter in net.parameters():
        parameter.data = parameter.data.flatten()
    sharded = [(g["lr_factor"], g["decay"], len(g["params"])) for g in tuning.groups(net)]
    assert sharded == plain
