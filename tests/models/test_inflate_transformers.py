"""Video transformers that begin as a picture transformer: what a still video gives."""

from __future__ import annotations

import pytest
import timm
import torch
import torchvision
from torch import Tensor, nn

from stfw.models.encoders.swin3d import Swin3D
from stfw.models.encoders.timesformer import TimeSformer
from stfw.models.encoders.vivit import ViViT
from stfw.models.inflate_transformers import inflate_swin, inflate_vit
from stfw.types import UserError
from tests.parity.reference import randomise

SMALL = {"width": 48, "depth": 3, "num_heads": 3}
PATCHES = 16


def vit(side: int = 64, depth: int = 3, **arguments: object) -> nn.Module:
    torch.manual_seed(0)
    network = timm.create_model(
        "vit_tiny_patch16_224",
        embed_dim=48,
        depth=depth,
        num_heads=3,
        num_classes=0,
        img_size=side,
        **arguments,
    )
    return randomise(network)


def still(picture_CHW: Tensor, num_frames: int) -> Tensor:
    return picture_CHW[None, :, None].expand(-1, -1, num_frames, -1, -1)


def loaded(network: nn.Module, state: dict[str, Tensor]) -> nn.Module:
    network.load_state_dict({**network.state_dict(), **state})
    return network.eval()


@pytest.mark.parametrize("attention", ["divided", "space"])
@torch.no_grad()
def test_timesformer_begins_as_the_picture_s_network(attention: str) -> None:
    flat = vit()
    network = TimeSformer(attention=attention, num_frames=4, crop_size=64, **SMALL)
    loaded(network, inflate_vit(flat.state_dict(), network))
    picture_CHW = torch.randn(3, 64, 64)
    expected_D = flat(picture_CHW[None])[0]
    assert expected_D.std() > 0.1
    if attention == "divided":  # the first block's attention over time is let in, as published
        assert network.blocks[0].time_fc.weight.any()
        network.blocks[0].time_fc.weight.zero_()
    found_D = network(still(picture_CHW, 4))[0, 0]
    torch.testing.assert_close(found_D, expected_D, rtol=1e-4, atol=1e-4)


def test_timesformer_s_attention_over_time_is_that_over_space() -> None:
    flat = vit().state_dict()
    network = TimeSformer(num_frames=4, crop_size=64, **SMALL)
    state = inflate_vit(flat, network)
    for number in range(3):
        block = f"blocks.{number}"
        for ours, theirs in [("time_attn.qkv", "attn.qkv"), ("time_norm", "norm1")]:
            for kind in ("weight", "bias"):
                given = flat[f"{block}.{theirs}.{kind}"]
                assert torch.equal(state[f"{block}.{ours}.{kind}"], given)
    assert set(network.state_dict()) - set(state) == {"time_positions"} | {
        f"blocks.{n}.time_fc.{kind}" for n in range(3) for kind in ("weight", "bias")
    }


@pytest.mark.parametrize("time_depth", [0, 2])
@torch.no_grad()
def test_vivit_s_moment_is_the_middle_frame_s_picture(time_depth: int) -> None:
    flat = vit(act_layer="gelu_tanh")  # ViViT's; other ViTs are near it
    network = ViViT(time_depth=time_depth, num_frames=8, crop_size=64, **SMALL)
    loaded(network, inflate_vit(flat.state_dict(), network))
    clip_BCTHW = torch.randn(1, 3, 2, 64, 64)
    expected_BD = flat(clip_BCTHW[:, :, 1])
    tokens_BDTHW = network.patch(clip_BCTHW)
    # one moment alone, at the positions of the fourth: all moments' are the picture's
    table_SD = network.space.positions
    if not time_depth:
        moment_SD = table_SD[1:].unflatten(0, (4, PATCHES))[3]
        network.space.positions = nn.Parameter(torch.cat([table_SD[:1], moment_SD]))
        network.space.grid = (1, 4, 4)
    found_BD = network.space(tokens_BDTHW.flatten(2).transpose(1, 2), (1, 4, 4))
    torch.testing.assert_close(found_BD, expected_BD, rtol=1e-4, atol=1e-4)


def test_positions_of_another_crop_are_interpolated() -> None:
    flat = vit().state_dict()
    network = TimeSformer(attention="space", num_frames=4, crop_size=96, **SMALL)
    ramp_P = torch.arange(16.0).unflatten(0, (4, 4)).flatten()
    flat["pos_embed"] = torch.cat([torch.tensor([99.0]), ramp_P])[None, :, None].expand(1, 17, 48)
    table_SD = inflate_vit(flat, network)["positions"]
    assert table_SD.shape == (37, 48)
    assert (table_SD[0] == 99).all()
    grid_HW = table_SD[1:, 0].unflatten(0, (6, 6))
    rows, columns = grid_HW.mean(dim=1), grid_HW.mean(dim=0)
    assert torch.allclose(rows.mean(), torch.tensor(7.5))
    assert (rows.diff() > columns.diff().max()).all()  # a row is four columns apart
    assert (columns.diff() > 0).all()


@torch.no_grad()
def test_a_still_video_gives_swin_s_features() -> None:
    torch.manual_seed(0)
    flat = randomise(
        torchvision.models.SwinTransformer(
            [4, 4], 24, [2, 2], [2, 4], [7, 7], stochastic_depth_prob=0.0, num_classes=5
        )
    )
    network = Swin3D(width=24, depths=(2, 2), num_heads=(2, 4))
    loaded(network, inflate_swin(flat.state_dict(), network))
    picture_CHW = torch.randn(3, 112, 112)  # 28 places: windows are shifted, and filled up after
    expected_HWD = flat.norm(flat.features(picture_CHW[None]))[0]
    assert expected_HWD.std() > 0.1
    maps_DTHW = network.maps(still(picture_CHW, 32))[0]
    for maps_DHW in maps_DTHW.unbind(dim=1):
        torch.testing.assert_close(maps_DHW.permute(1, 2, 0), expected_HWD, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TimeSformer(width=48, depth=4, num_heads=3, crop_size=64), "missing: blocks.3"),
        (lambda: TimeSformer(width=48, depth=2, num_heads=3, crop_size=64), "unexpected: blocks.2"),
        (lambda: ViViT(width=96, depth=3, num_heads=3, crop_size=64), "of another shape"),
    ],
    ids=["deeper", "shallower", "wider"],
)
def test_other_layers_are_refused(make: object, message: str) -> None:
    with pytest.raises(UserError, match=message):
        inflate_vit(vit().state_dict(), make())


def test_another_window_of_swin_is_refused() -> None:
    flat = torchvision.models.SwinTransformer([4, 4], 24, [2, 2], [2, 4], [7, 7])
    network = Swin3D(width=24, depths=(2, 2), num_heads=(2, 4), window=(8, 6, 6))
    with pytest.raises(UserError, match=r"relative_position_bias_table \(\d+, 2\) for \(1815, 2\)"):
        inflate_swin(flat.state_dict(), network)
