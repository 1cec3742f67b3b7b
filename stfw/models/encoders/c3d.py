"""C3D (Tran et al. 2015, "Learning Spatiotemporal Features with 3D Convolutional Networks")."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn


class C3D(nn.Module):
    """Eight 3x3x3 convolutions, five max pools, two fully connected layers of 4096.

    As published for clips of 16 frames of 112 x 112: 78,409,573 parameters with a linear head of
    101 classes, 38.5 GMACs. fc6 fixes the input size. The last pool is padded in space (7 -> 4),
    as in the authors' network.

    Args:
        in_channels: C of the clip.
        dropout: after fc6 (after fc7 it is the head's).
    """

    num_features = 4096

    def __init__(
        self,
        in_channels: int = 3,
        dropout: float = 0.5,
        last_pool: Literal["padded", "ceil"] = "padded",
    ) -> None:
        super().__init__()
        ceil = last_pool == "ceil"

        def conv(wide_in: int, wide_out: int) -> list[nn.Module]:
            return [nn.Conv3d(wide_in, wide_out, 3, padding=1), nn.ReLU(inplace=True)]

        self.features = nn.Sequential(
            *conv(in_channels, 64),
            nn.MaxPool3d((1, 2, 2)),
            *conv(64, 128),
            nn.MaxPool3d(2),
            *conv(128, 256),
            *conv(256, 256),
            nn.MaxPool3d(2),
            *conv(256, 512),
            *conv(512, 512),
            nn.MaxPool3d(2),
            *conv(512, 512),
            *conv(512, 512),
            nn.MaxPool3d(2, padding=0 if ceil else (0, 1, 1), ceil_mode=ceil),
        )
        self.fc6 = nn.Linear(8192, 4096)
        self.fc7 = nn.Linear(4096, 4096)
        self.relu = nn.ReLU(inplace=True)
        self.dropout = nn.Dropout(dropout)
        self._init_weights()

    def maps(self, x_BCTHW: Tensor) -> Tensor:
        """pool5: B x 512 x T/16 x 4 x 4 for 112 x 112."""
        return self.features(x_BCTHW)

    def forward(self, x_BCTHW: Tensor) -> Tensor:
        if x_BCTHW.shape[2:] != (16, 112, 112):
            raise ValueError(
                f"C3D takes clips of 16x112x112, not {'x'.join(map(str, x_BCTHW.shape[2:]))}; "
                "its fully connected layers fix the size (clip=16x1_112)"
            )
        feature_BD = self.dropout(self.relu(self.fc6(self.maps(x_BCTHW).flatten(1))))
        return self.relu(self.fc7(feature_BD)).unsqueeze(1)

    def _init_weights(self) -> None:
        # He et al. 2015 for ReLU networks; the published initialisation (Gaussian, 0.01) stalls
        # without pre-training on small data
        for module in self.modules():
            if isinstance(module, nn.Conv3d | nn.Linear):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
