"""C3D weights of other people."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from stfw.models.converters.renaming import FOREIGN_HEAD, Rule, rename
from stfw.models.origin import Network, Pixels, of

# layer in the paper -> its place in our features
_PLACES = {"1a": 0, "2a": 3, "3a": 6, "3b": 8, "4a": 11, "4b": 13, "5a": 16, "5b": 18}
# values of 0..255 around a mean
_PIXELS = Pixels((0.4078, 0.4588, 0.5020), (0.003922, 0.003922, 0.003922))


@of(Network("MMAction2's C3D", _PIXELS, {"last_pool": "padded"}))
def from_mmaction(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """MMAction2's C3D."""
    rules: list[Rule] = [
        (rf"backbone\.conv{layer}\.conv\.(weight|bias)", rf"encoder.features.{place}.\1")
        for layer, place in _PLACES.items()
    ]
    rules += [
        (r"backbone\.(fc[67]\.(?:weight|bias))", r"encoder.\1"),
        (r"data_preprocessor\.(?:mean|std)", None),
        FOREIGN_HEAD,
    ]
    return rename(state, rules, "MMAction2")


@of(
    Network(
        "C3D of Sports-1M",
        None,
        {"last_pool": "padded"},
        note="its authors subtract a mean clip from values of 0..255, not a mean per colour",
    )
)
def from_sports1m(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The PyTorch port of the Sports-1M weights (DavideA/c3d-pytorch), 487 classes."""
    rules: list[Rule] = [
        (
            rf"conv{layer.replace('1a', '1').replace('2a', '2')}\.(weight|bias)",
            rf"encoder.features.{place}.\1",
        )
        for layer, place in _PLACES.items()
    ]
    rules += [
        (r"(fc[67]\.(?:weight|bias))", r"encoder.\1"),
        (r"fc8\.(weight|bias)", r"head.fc.\1"),
    ]
    return rename(state, rules, "c3d-pytorch")
