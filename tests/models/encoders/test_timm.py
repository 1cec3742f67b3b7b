"""Frame encoders."""

from __future__ import annotations

import pytest
import timm
import torch

from stfw.models.encoders.timm import Timm
from stfw.types import UserError


def test_each_frame_is_encoded_as_timm_encodes_it() -> None:
    torch.manual_seed(0)
    encoder = Timm("resnet18").eval()
    torch.manual_seed(0)
    reference = timm.create_model("resnet18", num_classes=0).eval()
    x_BCTHW = torch.randn(2, 3, 4, 64, 64)
    with torch.no_grad():
        tokens_BSD = encoder(x_BCTHW)
        expected = torch.stack([reference(x_BCTHW[:, :, t]) for t in range(4)], dim=1)
    assert tokens_BSD.shape == (2, 4, 512)
    assert torch.allclose(tokens_BSD, expected, atol=1e-5)


def test_an_unknown_name_gets_the_nearest_one() -> None:
    with pytest.raises(UserError, match=r"encoder\.name=resnet81.*did you mean 'resnet\w*18\w*'"):
        Timm("resnet81")
