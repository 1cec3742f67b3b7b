"""Any 2D network of timm, frame by frame."""

from __future__ import annotations

from torch import Tensor, nn

from stfw.types import UserError, nearest


class Timm(nn.Module):
    """Encodes each frame on its own: T is folded into B, and S = T.

    Args:
        name: a name of ``timm.list_models()``, for example ``resnet18``.
        in_channels: C of a frame.
        pretrained: fetch timm's weights (downloads on first use).
        drop_rate: dropout inside the network.

    Raises:
        UserError: timm knows no such name.
    """

    def __init__(
        self,
        name: str = "resnet18",
        in_channels: int = 3,
        pretrained: bool = False,
        drop_rate: float = 0.0,
    ) -> None:
        super().__init__()
        import timm  # heavy, and only this encoder needs it

        if not timm.is_model(name.split("/")[-1].split(".")[0]):
            hint = nearest(name, timm.list_models()) or "; see timm.list_models()"
            raise UserError(f"encoder.name={name}: timm has no such network{hint}")
        self.net = timm.create_model(
            name, pretrained=pretrained, num_classes=0, in_chans=in_channels, drop_rate=drop_rate
        )
        self.num_features = int(self.net.num_features)  # type: ignore[arg-type]

    def forward(self, x_BCTHW: Tensor) -> Tensor:
        B, C, T, H, W = x_BCTHW.shape
        x_FCHW = x_BCTHW.transpose(1, 2).reshape(B * T, C, H, W)
        return self.net(x_FCHW).reshape(B, T, -1)
