"""The same weights give the same logits as PyTorchVideo's SlowFast networks."""

from __future__ import annotations

import torch
from torch import nn

from stfw.models.converters.slowfast import from_pytorchvideo
from stfw.models.encoders.slowfast import SlowFast
from stfw.models.heads.dense import Dense
from stfw.models.heads.linear import Linear
from tests.parity.reference import assert_equal_logits, pytorchvideo, randomise


def test_logits_are_those_of_pytorchvideo() -> None:
    hub = pytorchvideo("pytorchvideo.models.hub")
    reference = randomise(hub.slowfast_r50(model_num_class=7, head_pool=nn.AdaptiveAvgPool3d))
    encoder = SlowFast()
    network = nn.ModuleDict({"encoder": encoder, "head": Linear(2304, 7)}).eval()
    network.load_state_dict(from_pytorchvideo(reference.state_dict()))
    x_BCTHW = torch.randn(2, 3, 16, 64, 64, generator=torch.Generator().manual_seed(1))
    # the slow frames as PySlowFast's and PyTorchVideo's recipes take them
    slow_BCTHW = x_BCTHW.index_select(2, torch.linspace(0, 15, 4).long())
    with torch.no_grad():
        ours_BK = network["head"](encoder(x_BCTHW)[:, 0])
        theirs_BK = reference([slow_BCTHW, x_BCTHW])
    assert_equal_logits(ours_BK, theirs_BK, "pytorchvideo slowfast_r50")


def test_a_larger_crop_is_classified_at_each_place() -> None:
    hub = pytorchvideo("pytorchvideo.models.slowfast")
    reference = randomise(
        hub.create_slowfast(
            model_num_class=7,
            head_pool_kernel_sizes=((4, 2, 2), (16, 2, 2)),
            head_activation=nn.Softmax,
        )
    )
    encoder, head = SlowFast(pool_size=(2, 2)), Dense(2304, 7, average="probabilities")
    network = nn.ModuleDict({"encoder": encoder, "head": head}).eval()
    network.load_state_dict(from_pytorchvideo(reference.state_dict()))
    x_BCTHW = torch.randn(2, 3, 16, 96, 96, generator=torch.Generator().manual_seed(1))
    slow_BCTHW = x_BCTHW.index_select(2, torch.linspace(0, 15, 4).long())
    with torch.no_grad():
        tokens_BSD = encoder(x_BCTHW)
        assert tokens_BSD.shape == (2, 4, 2304)
        ours_BK = head(tokens_BSD, torch.ones(2, 4)).softmax(dim=1)
        assert_equal_logits(ours_BK, reference([slow_BCTHW, x_BCTHW]), "slowfast, larger crop")


def test_weights_of_r101_50_50_have_a_place() -> None:
    hub = pytorchvideo("pytorchvideo.models.hub")
    with torch.device("meta"):
        theirs = from_pytorchvideo(hub.slowfast_16x8_r101_50_50(model_num_class=7).state_dict())
        encoder = SlowFast(depth=101, lateral_kernel=5, max_time_blocks=6)
        ours = nn.ModuleDict({"encoder": encoder, "head": Linear(2304, 7)}).state_dict()
    assert {n: x.shape for n, x in theirs.items()} == {n: x.shape for n, x in ours.items()}
