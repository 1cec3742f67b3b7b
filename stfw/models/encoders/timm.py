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
        self.name = name
        self.map_features = int(self.net.num_features)  # type: ignore[arg-type]
        # VGG and MobileNetV3 have layers behind the pooling
        hidden = getattr(self.net, "head_hidden_size", None) or self.map_features
        self.num_features = int(hidden)

    def maps(self, x_BCTHW: Tensor) -> Tensor:
        """The last maps of every frame.

        Raises:
            UserError: the network is a transformer, which has none.
        """
        maps_FCHW = self.net.forward_features(_frames(x_BCTHW))  # type: ignore[operator]
        if maps_FCHW.ndim != 4 or maps_FCHW.shape[1] != self.map_features:
            raise UserError(f"encoder.name={self.name} has no maps; choose a convolutional network")
        return maps_FCHW.unflatten(0, (len(x_BCTHW), -1)).transpose(1, 2)

    def forward(self, x_BCTHW: Tensor) -> Tensor:
        return self.net(_frames(x_BCTHW)).unflatten(0, (len(x_BCTHW), -1))


def _frames(x_BCTHW: Tensor) -> Tensor:
    """T folded into B."""
    return x_BCTHW.transpose(1, 2).flatten(0, 1)
