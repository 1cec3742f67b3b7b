"""S3D: separate convolutions, and the gates of S3D-G."""

from __future__ import annotations

import pytest
import torch

from stfw.models.encoders.s3d import S3D, SelfGating


def test_no_convolution_spans_both_space_and_time() -> None:
    with torch.device("meta"):
        encoder = S3D(gating=True)
    for module in encoder.modules():
        if isinstance(module, torch.nn.Conv3d):
            assert module.kernel_size[0] == 1 or module.kernel_size[1:] == (1, 1)


def test_a_gate_scales_each_channel_by_what_all_channels_are_on_average() -> None:
    gate = SelfGating(2)
    with torch.no_grad():
        gate.fc.weight.copy_(torch.tensor([[0.0, 1.0], [0.0, 0.0]]))
    x_BCTHW = torch.ones(1, 2, 1, 1, 2)
    x_BCTHW[0, 1, 0, 0] = torch.tensor([0.0, 4.0])  # mean 2
    y_BCTHW = gate(x_BCTHW)
    assert torch.allclose(y_BCTHW[0, 0], torch.sigmoid(torch.tensor(2.0)).expand(1, 1, 2))
    assert torch.allclose(y_BCTHW[0, 1, 0, 0], torch.tensor([0.0, 2.0]))  # half


def test_there_is_a_gate_after_every_convolution_in_time() -> None:
    with torch.device("meta"):
        plain, gated = S3D(), S3D(gating=True)
    # two of the stem, two of each of nine blocks
    widths = [64, 192, 128, 32, 192, 96, 208, 48, 224, 64, 256, 64, 288, 64, 320, 128, 320, 128]
    widths += [384, 128]
    added = sum(width * width + width for width in widths)
    sizes = [sum(p.numel() for p in net.parameters()) for net in (plain, gated)]
    assert sizes[1] - sizes[0] == added


def test_steps_and_the_smallest_clip() -> None:
    with torch.device("meta"):
        encoder = S3D().eval()
        assert encoder(torch.empty(1, 3, 64, 224, 224)).shape == (1, 7, 1024)
        assert encoder(torch.empty(1, 3, 5, 17, 17)).shape == (1, 1, 1024)
        with pytest.raises(ValueError, match="at least 5x17x17, not 4x112x112"):
            encoder(torch.empty(1, 3, 4, 112, 112))
