"""What makes each member of the family itself."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from stfw.build import Build
from stfw.config import compose
from stfw.models.encoders.resnet3d import Bottleneck, ResNet3D


def preset(model: str, *overrides: str) -> tuple[ResNet3D, tuple[int, int, int]]:
    """The preset's encoder on the meta device, and T, H, W of its clip."""
    cfg = compose("train", [f"model={model}", *overrides]).cfg
    with torch.device("meta"):
        encoder = Build()(cfg.encoder, in_channels=3)
    return encoder, (cfg.clip.num_frames, cfg.clip.crop_size, cfg.clip.crop_size)


def small(**settings: Any) -> ResNet3D:
    torch.manual_seed(0)
    encoder = ResNet3D(width=4, zero_init=False, **settings)
    return encoder.eval()


@pytest.mark.parametrize(
    ("model", "overrides", "maps"),
    [
        ("i3d_r50", [], (4, 7, 7)),  # 32 frames: halved by stem, its pool, and after stage 1
        ("i3d_r50", ["encoder.stem_time_stride=1", "encoder.stem_pool_time_stride=1"], (16, 7, 7)),
        ("slowonly_r50", [], (8, 7, 7)),  # time is never halved
        ("c2d_r50", [], (4, 7, 7)),
        ("c2d_r50", ["encoder.time_pool=false"], (8, 7, 7)),
        ("r2plus1d_r50", [], (4, 7, 7)),
        ("csn_ir50", [], (4, 7, 7)),
    ],
)
def test_strides_are_those_of_the_paper(
    model: str, overrides: list[str], maps: tuple[int, int, int]
) -> None:
    encoder, clip = preset(model, *overrides)
    assert encoder.maps(torch.empty(1, 3, *clip, device="meta")).shape == (1, 2048, *maps)


@pytest.mark.parametrize(
    ("model", "kernels"),
    [
        ("i3d_r50", ([3, 3, 3], [3, 1, 3, 1], [3, 1, 3, 1, 3, 1], [1, 3, 1])),
        ("slowonly_r50", ([1] * 3, [1] * 4, [3] * 6, [3] * 3)),
        ("c2d_r50", ([1] * 3, [1] * 4, [1] * 6, [1] * 3)),
    ],
)
def test_time_is_seen_where_the_paper_has_it(model: str, kernels: tuple[list[int], ...]) -> None:
    encoder, _ = preset(model)
    found = [[block.a.conv.kernel_size[0] for block in blocks] for blocks in encoder.stages]
    assert found == list(kernels)


def test_five_non_local_blocks_in_stages_two_and_three() -> None:
    encoder, _ = preset("i3d_r50_nl")
    found = [[hasattr(block.non_local, "g") for block in blocks] for blocks in encoder.stages]
    no, yes = False, True
    assert found == [[no] * 3, [no, yes] * 2, [no, yes] * 3, [no] * 3]


def test_c2d_knows_no_order_of_frames_and_slowonly_does() -> None:
    flat: dict[str, Any] = {
        "stem_time_kernel": 1,
        "stem_time_stride": 1,
        "stem_pool_time_stride": 1,
        "time_pool": False,
    }
    x_BCTHW = torch.randn(1, 3, 8, 32, 32)
    shuffled = x_BCTHW[:, :, [5, 2, 7, 0, 3, 6, 1, 4]]
    with torch.no_grad():
        c2d = small(**flat, time_kernels=((1,),) * 4)
        assert torch.allclose(c2d(x_BCTHW), c2d(shuffled), rtol=1e-4, atol=1e-5)
        slow = small(**flat, time_kernels=((1,), (1,), (3,), (3,)))
        assert not torch.allclose(slow(x_BCTHW), slow(shuffled), rtol=1e-2)


def test_non_local_blocks_begin_as_nothing() -> None:
    x_BCTHW = torch.randn(1, 3, 8, 32, 32)
    plain, non_local = small(), small(non_local="dot_product")
    missing = non_local.load_state_dict(plain.state_dict(), strict=False)
    assert not missing.unexpected_keys
    assert missing.missing_keys
    with torch.no_grad():
        assert torch.equal(plain(x_BCTHW), non_local(x_BCTHW))


def test_residual_branches_begin_as_nothing() -> None:
    block = ResNet3D(width=4).stages[0][1]  # type: ignore[index]
    x_BCTHW = torch.randn(1, 16, 4, 8, 8).relu()
    assert torch.equal(block(x_BCTHW), x_BCTHW)


def test_kept_time_steps_average_to_the_feature() -> None:
    flat: dict[str, Any] = {"stem_time_stride": 1, "stem_pool_time_stride": 1}
    x_BCTHW = torch.randn(2, 3, 8, 32, 32)
    with torch.no_grad():
        steps_BSD = small(**flat, keep_time=True)(x_BCTHW)
        feature_BSD = small(**flat)(x_BCTHW)
    assert steps_BSD.shape == (2, 4, 128)
    assert feature_BSD.shape == (2, 1, 128)
    assert torch.allclose(steps_BSD.mean(dim=1, keepdim=True), feature_BSD, atol=1e-5)


def test_2plus1_has_a_relu_between_time_and_space() -> None:
    block = Bottleneck(8, 2, time_kernel=3, stride=(2, 2, 2), middle="2plus1")
    assert [name for name, _ in block.b.named_children()] == ["time", "relu", "space"]
    assert block.b.time.conv.stride == (2, 1, 1)  # type: ignore[union-attr]
    assert block.b.space.conv.stride == (1, 2, 2)  # type: ignore[union-attr]


def test_mistakes_are_named() -> None:
    with pytest.raises(ValueError, match=r"encoder\.depth=34: there are ResNets of 50, 101, 152"):
        ResNet3D(depth=34)
    with pytest.raises(ValueError, match=r"encoder\.time_kernels has 3 values; there are 4 stages"):
        ResNet3D(time_kernels=((3,), (3,), (3,)))
    with pytest.raises(ValueError, match=r"clip\.num_frames=4 is too short.*needs 5"):
        small()(torch.randn(1, 3, 4, 32, 32))
    assert small()(torch.randn(1, 3, 5, 32, 32)).shape == (1, 1, 128)
