"""The same weights give the same logits as PyTorchVideo's X3D."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from stfw.models.converters.x3d import from_pytorchvideo
from stfw.models.encoders.x3d import X3D
from stfw.models.heads.dense import Dense
from stfw.models.heads.linear import Linear
from tests.parity.reference import assert_equal_logits, pytorchvideo, randomise


@pytest.mark.parametrize(("frames", "depth"), [(4, 2.2), (13, 2.2), (16, 2.2), (4, 5.0)])
def test_logits_are_those_of_pytorchvideo(frames: int, depth: float) -> None:
    models = pytorchvideo("pytorchvideo.models.x3d")
    reference = randomise(
        models.create_x3d(
            input_clip_length=frames,
            input_crop_size=64,
            model_num_class=7,
            depth_factor=depth,
            head_activation=None,
        )
    )
    encoder = X3D(depth=depth)
    network = nn.ModuleDict({"encoder": encoder, "head": Linear(2048, 7)}).eval()
    network.load_state_dict(from_pytorchvideo(reference.state_dict()))
    x_BCTHW = torch.randn(2, 3, frames, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        ours_BK = network["head"](encoder(x_BCTHW)[:, 0])
        assert_equal_logits(ours_BK, reference(x_BCTHW), f"pytorchvideo create_x3d, depth {depth}")


def test_a_larger_crop_is_classified_at_each_place() -> None:
    models = pytorchvideo("pytorchvideo.models.x3d")
    reference = randomise(
        models.create_x3d(input_clip_length=4, input_crop_size=64, model_num_class=7)
    )
    encoder, head = X3D(pool_size=(2, 2)), Dense(2048, 7, average="probabilities")
    network = nn.ModuleDict({"encoder": encoder, "head": head}).eval()
    network.load_state_dict(from_pytorchvideo(reference.state_dict()))
    x_BCTHW = torch.randn(2, 3, 4, 96, 96, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        tokens_BSD = encoder(x_BCTHW)
        assert tokens_BSD.shape == (2, 4, 2048)
        ours_BK = head(tokens_BSD, torch.ones(2, 4)).softmax(dim=1)
        assert_equal_logits(ours_BK, reference(x_BCTHW), "pytorchvideo create_x3d, larger crop")
