"""The same weights give the same logits as PyTorchVideo's channel-separated network."""

from __future__ import annotations

import torch
from torch import nn

from stfw.models.converters.csn import from_pytorchvideo
from stfw.models.encoders.csn import CSN
from stfw.models.heads.linear import Linear
from tests.parity.reference import assert_equal_logits, pytorchvideo, randomise


def test_logits_are_those_of_pytorchvideo() -> None:
    models = pytorchvideo("pytorchvideo.models.csn")
    reference = randomise(
        models.create_csn(
            model_depth=101,
            model_num_class=7,
            stem_pool=nn.MaxPool3d,
            head_pool=nn.AdaptiveAvgPool3d,
            head_activation=None,
        )
    )
    encoder = CSN(depth=101, bn_eps=1e-5)
    network = nn.ModuleDict({"encoder": encoder, "head": Linear(2048, 7)}).eval()
    network.load_state_dict(from_pytorchvideo(reference.state_dict()))
    x_BCTHW = torch.randn(2, 3, 8, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        ours_BK = network["head"](encoder(x_BCTHW)[:, 0])
        assert_equal_logits(ours_BK, reference(x_BCTHW), "pytorchvideo create_csn, depth 101")
