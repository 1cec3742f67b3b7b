"""3D ResNets of bottleneck blocks: I3D-R50, SlowOnly, C2D, non-local networks, R(2+1)D-R50."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from itertools import cycle, islice
from math import prod
from typing import Literal

from torch import Tensor, nn

from stfw.models.encoders._pool import checked_places, pooled_places
from stfw.models.encoders.nonlocal_block import NonLocal

Triple = tuple[int, int, int]
Middle = Literal["1x3x3", "3x3x3", "2plus1", "ir", "ip"]
BLOCKS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}


def conv_bn(
    wide_in: int,
    wide_out: int,
    kernel: Triple = (1, 1, 1),
    stride: Triple = (1, 1, 1),
    groups: int = 1,
    eps: float = 1e-5,
) -> nn.Sequential:
    """Convolution that keeps the size (but for its stride), then batch norm."""
    padding = (kernel[0] // 2, kernel[1] // 2, kernel[2] // 2)
    conv = nn.Conv3d(wide_in, wide_out, kernel, stride, padding, groups=groups, bias=False)
    return nn.Sequential(OrderedDict(conv=conv, bn=nn.BatchNorm3d(wide_out, eps=eps)))


def stem(
    wide_in: int,
    wide_out: int,
    time_kernel: int,
    time_stride: int = 1,
    pool_time_stride: int | None = 1,
    pool_padding: int = 1,
    eps: float = 1e-5,
) -> nn.Sequential:
    """7 x 7 convolution with stride 2, batch norm, ReLU, 3 x 3 max pool with stride 2.

    ``pool_time_stride`` None: no pool.
    """
    layers = conv_bn(wide_in, wide_out, (time_kernel, 7, 7), (time_stride, 2, 2), eps=eps)
    layers.add_module("relu", nn.ReLU(inplace=True))
    if pool_time_stride is not None:
        pool = nn.MaxPool3d((1, 3, 3), (pool_time_stride, 2, 2), (0, pool_padding, pool_padding))
        layers.add_module("pool", pool)
    return layers


class Bottleneck(nn.Module):
    """``relu(shortcut(x) + c(relu(b(relu(a(x))))))``: a narrows, b looks around, c widens by 4.

    Args:
        wide_in: channels of its input.
        width: channels inside; its output has 4 times as many.
        time_kernel: frames that it spans: in a where ``middle`` is ``1x3x3``, else in b.
        stride: of b, in time, height and width.
        middle: what b is: ``1x3x3``; ``3x3x3``; ``2plus1`` (time, then space, with ReLU between);
            ``ir`` (depthwise); ``ip`` (1x1x1, then depthwise).
        eps: of batch norm.
    """

    expansion = 4

    def __init__(
        self,
        wide_in: int,
        width: int,
        time_kernel: int = 1,
        stride: Triple = (1, 1, 1),
        middle: Middle = "1x3x3",
        eps: float = 1e-5,
    ) -> None:
        super().__init__()
        wide_out = width * self.expansion
        in_a = middle == "1x3x3"
        kernel = (1 if in_a else time_kernel, 3, 3)
        self.a = conv_bn(wide_in, width, (time_kernel if in_a else 1, 1, 1), eps=eps)
        self.b: nn.Module
        if middle == "2plus1":
            in_time = conv_bn(width, width, (time_kernel, 1, 1), (stride[0], 1, 1), eps=eps)
            in_space = conv_bn(width, width, (1, 3, 3), (1, *stride[1:]), eps=eps)
            parts = OrderedDict(time=in_time, relu=nn.ReLU(inplace=True), space=in_space)
            self.b = nn.Sequential(parts)
        elif middle == "ip":
            mix = conv_bn(width, width, eps=eps)
            depthwise = conv_bn(width, width, kernel, stride, groups=width, eps=eps)
            self.b = nn.Sequential(OrderedDict(mix=mix, depthwise=depthwise))
        else:
            self.b = conv_bn(width, width, kernel, stride, width if middle == "ir" else 1, eps)
        self.c = conv_bn(width, wide_out, eps=eps)
        self.shortcut: nn.Module = nn.Identity()
        if wide_in != wide_out or prod(stride) > 1:
            self.shortcut = conv_bn(wide_in, wide_out, stride=stride, eps=eps)
        self.non_local: nn.Module = nn.Identity()
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x_BCTHW: Tensor) -> Tensor:
        inner_BCTHW = self.relu(self.b(self.relu(self.a(x_BCTHW))))
        return self.non_local(self.relu(self.shortcut(x_BCTHW) + self.c(inner_BCTHW)))


def stage(
    wide_in: int,
    width: int,
    num_blocks: int,
    time_kernels: Sequence[int],
    stride: Triple,
    middle: Middle = "1x3x3",
    eps: float = 1e-5,
) -> nn.Sequential:
    """Blocks of one width; ``time_kernels`` is repeated over them, the first has the stride."""
    blocks: list[nn.Module] = []
    for time_kernel in islice(cycle(time_kernels), num_blocks):
        blocks.append(Bottleneck(wide_in, width, time_kernel, stride, middle, eps))
        wide_in, stride = width * Bottleneck.expansion, (1, 1, 1)
    return nn.Sequential(*blocks)


def num_blocks_of(depth: int) -> tuple[int, int, int, int]:
    """Blocks per stage of a depth; a ``ValueError`` names the depths that there are."""
    if depth not in BLOCKS:
        raise ValueError(
            f"encoder.depth={depth}: there are ResNets of {', '.join(map(str, BLOCKS))}"
        )
    return BLOCKS[depth]


def init_resnet(network: nn.Module, zero_init: bool) -> None:
    """He et al. 2015 (fan out); ``zero_init``: each residual branch begins at zero."""
    for module in network.modules():
        if isinstance(module, nn.Conv3d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    for module in network.modules():
        if isinstance(module, Bottleneck) and zero_init:
            nn.init.zeros_(module.c.bn.weight)  # type: ignore[arg-type, union-attr]
        if isinstance(module, NonLocal):
            module.init_weights()


class ResNet3D(nn.Module):
    """One ResNet whose settings cover a family; the defaults are I3D-R50 as MMAction2 has it.

    | network | settings |
    |---|---|
    | I3D-R50 32x2 (28,043,472 parameters with 400 classes) | defaults |
    | I3D-R50 8x8 of PyTorchVideo, PySlowFast | both stem strides in time 1 |
    | SlowOnly (Feichtenhofer et al. 2019) | stem 1x7x7, no stride in time, kernels 1 1 3 3 |
    | C2D (Wang et al. 2018) | the same with kernels 1 1 1 1; ``time_pool`` as you like |
    | non-local networks | ``non_local`` |
    | R(2+1)D-R50 of PyTorchVideo | ``middle=2plus1``, ``stem_pool=false`` |

    Args:
        in_channels: C of the clip.
        depth: 50, 101 or 152 layers.
        width: channels of the stem; the feature has 32 times as many.
        stem_time_kernel: frames that the first convolution spans.
        stem_time_stride: of the first convolution.
        stem_pool: max pool behind it.
        stem_pool_time_stride: of that pool.
        stem_pool_padding: of that pool in space; MMAction2's C2D has 0.
        time_pool: halve time by a max pool after the first stage.
        time_kernels: per stage, frames that its blocks span; repeated over the blocks.
        middle: the middle convolution of a block; see ``Bottleneck``.
        time_strides: per stage.
        space_strides: per stage.
        non_local: mode of the non-local blocks; null: none.
        non_local_blocks: per stage, 1 for blocks that are followed by one; repeated.
        bn_eps: of batch norm.
        zero_init: the last batch norm of each block begins at zero.
        keep_time: keep the time steps (S = T of the maps), else S = 1.
        pool_size: window (H, W) of the last average on the maps; each of its places is a step, as
            for a test crop that is larger than the training crop. null: the whole frame.

    Raises:
        ValueError: no such depth, a setting without a value per stage, a clip that is too short.
    """

    def __init__(
        self,
        in_channels: int = 3,
        depth: int = 50,
        width: int = 64,
        stem_time_kernel: int = 5,
        stem_time_stride: int = 2,
        stem_pool: bool = True,
        stem_pool_time_stride: int = 2,
        stem_pool_padding: int = 1,
        time_pool: bool = True,
        time_kernels: Sequence[Sequence[int]] = ((3,), (3, 1), (3, 1), (1, 3)),
        middle: Middle = "1x3x3",
        time_strides: Sequence[int] = (1, 1, 1, 1),
        space_strides: Sequence[int] = (1, 2, 2, 2),
        non_local: Literal["dot_product", "embedded_gaussian", "gaussian"] | None = None,
        non_local_blocks: Sequence[Sequence[int]] = ((0,), (0, 1), (0, 1), (0,)),
        bn_eps: float = 1e-5,
        zero_init: bool = True,
        keep_time: bool = False,
        pool_size: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        for name, per_stage in (
            ("time_kernels", time_kernels),
            ("time_strides", time_strides),
            ("space_strides", space_strides),
            ("non_local_blocks", non_local_blocks),
        ):
            if len(per_stage) != 4:
                raise ValueError(f"encoder.{name} has {len(per_stage)} values; there are 4 stages")
        num_blocks = num_blocks_of(depth)
        self.keep_time, self.pool_size = keep_time, checked_places(pool_size)
        self.stem = stem(
            in_channels,
            width,
            stem_time_kernel,
            stem_time_stride,
            stem_pool_time_stride if stem_pool else None,
            stem_pool_padding,
            bn_eps,
        )
        self.time_pool = nn.MaxPool3d((2, 1, 1)) if time_pool else nn.Identity()
        # convolutions and the stem's pool round up, the pool after the first stage rounds down
        before_pool = stem_time_stride * (stem_pool_time_stride if stem_pool else 1)
        self.min_frames = before_pool * time_strides[0] + 1 if time_pool else 1
        self.stages = nn.ModuleList()
        wide = width
        for i in range(4):
            stride = (time_strides[i], space_strides[i], space_strides[i])
            blocks = stage(
                wide, width * 2**i, num_blocks[i], time_kernels[i], stride, middle, bn_eps
            )
            wide = width * 2**i * Bottleneck.expansion
            for block, has_one in zip(blocks, cycle(non_local_blocks[i]), strict=False):
                if non_local and has_one:
                    block.non_local = NonLocal(wide, non_local, sub_sample=True, batch_norm=True)
            self.stages.append(blocks)
        self.num_features = wide
        init_resnet(self, zero_init)

    def maps(self, x_BCTHW: Tensor) -> Tensor:
        """The last stage's maps, 1/32 of the frame."""
        if x_BCTHW.shape[2] < self.min_frames:
            raise ValueError(
                f"clip.num_frames={x_BCTHW.shape[2]} is too short for this network, which needs "
                f"{self.min_frames}: take more frames, or smaller strides in time"
            )
        x_BCTHW = self.stem(x_BCTHW)
        for i, blocks in enumerate(self.stages):
            x_BCTHW = blocks(x_BCTHW)
            if i == 0:
                x_BCTHW = self.time_pool(x_BCTHW)
        return x_BCTHW

    def forward(self, x_BCTHW: Tensor) -> Tensor:
        return pooled_places(self.maps(x_BCTHW), self.pool_size, self.keep_time)
