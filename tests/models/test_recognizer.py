"""The chain as its definition says."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from stfw.models.aggregators.mean import Mean
from stfw.models.complexity import gmacs, num_parameters
from stfw.models.encoders.c3d import C3D
from stfw.models.fusions.concat import Concat
from stfw.models.heads.linear import Linear
from stfw.models.recognizer import Recognizer, view_probabilities


class ChannelMeans(nn.Module):
    """Stands for an encoder whose features can be worked out by hand: S = T."""

    num_features = 3

    def forward(self, x_BCTHW: Tensor) -> Tensor:
        return x_BCTHW.mean(dim=(3, 4)).transpose(1, 2)


def chain(max_clips_per_forward: int = 32) -> Recognizer:
    head = Linear(3, 3)
    nn.init.eye_(head.fc.weight)
    nn.init.zeros_(head.fc.bias)
    return Recognizer(
        {"rgb": ChannelMeans()},
        {"rgb": Mean(3)},
        Concat({"rgb": 3}),
        head,
        max_clips_per_forward,
    ).eval()


def test_each_view_is_its_own_prediction() -> None:
    x_BVNCTHW = torch.rand(2, 4, 3, 3, 5, 6, 6)
    logits_BVK = chain()({"rgb": x_BVNCTHW})
    assert torch.allclose(logits_BVK, x_BVNCTHW.mean(dim=(2, 4, 5, 6)), atol=1e-6)


def test_probabilities_of_views_are_averaged() -> None:
    logits_BVK = torch.randn(2, 3, 4)
    expected = torch.stack([logits_BVK[:, v].softmax(-1) for v in range(3)]).mean(0)
    assert torch.allclose(view_probabilities(logits_BVK), expected)


def test_padding_changes_no_logit_and_is_never_encoded() -> None:
    x_BVNCTHW = torch.rand(2, 1, 3, 3, 5, 6, 6)
    plain = chain()({"rgb": x_BVNCTHW})
    padding = torch.full((2, 1, 2, 3, 5, 6, 6), float("nan"))  # would show if it were used
    weights_BVN = torch.tensor([1.0, 1, 1, 0, 0]).expand(2, 1, 5)
    padded = chain()(
        {
            "rgb": torch.cat([x_BVNCTHW, padding], dim=2),
            "weights": weights_BVN,
            "padded": True,
        }
    )
    assert torch.allclose(plain, padded, atol=1e-6)


def test_weights_weigh() -> None:
    x_BVNCTHW = torch.rand(1, 1, 2, 3, 1, 4, 4)
    logits_BVK = chain()({"rgb": x_BVNCTHW, "weights": torch.tensor([[[3.0, 1.0]]])})
    means_NC = x_BVNCTHW[0, 0].mean(dim=(2, 3, 4))
    assert torch.allclose(logits_BVK[0, 0], (3 * means_NC[0] + means_NC[1]) / 4, atol=1e-6)


def test_few_clips_at_a_time_give_the_same() -> None:
    x_BVNCTHW = torch.rand(2, 5, 2, 3, 4, 6, 6)
    assert torch.allclose(chain()({"rgb": x_BVNCTHW}), chain(3)({"rgb": x_BVNCTHW}), atol=1e-6)


def test_counts_are_those_published_for_c3d() -> None:
    with torch.device("meta"):
        network = Recognizer(
            {"rgb": C3D()}, {"rgb": Mean(4096)}, Concat({"rgb": 4096}), Linear(4096, 101)
        )
    assert num_parameters(network) == 78_409_573
    assert abs(gmacs(network, {"rgb": (1, 1, 1, 3, 16, 112, 112)}) - 38.547) < 0.001


def test_gmacs_of_an_lstm_and_attention_agree_with_arithmetic() -> None:
    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm = nn.LSTM(8, 16, batch_first=True)
            self.attention = nn.MultiheadAttention(16, 2, batch_first=True)

        def forward(self, batch: dict[str, Tensor]) -> Tensor:
            states_BSD, _ = self.lstm(batch["x"])
            return self.attention(states_BSD, states_BSD, states_BSD, need_weights=False)[0]

    S = 10
    lstm = S * 4 * (8 * 16 + 16 * 16)
    attention = S * 16 * 16 * 4 + 2 * S * S * 16
    assert round(gmacs(Both(), {"x": (1, S, 8)}) * 1e9) == lstm + attention


def test_views_that_are_all_padding_do_not_count() -> None:
    x_BVNCTHW = torch.rand(2, 3, 1, 3, 2, 4, 4)
    x_BVNCTHW[0, 1:] = float("nan")
    weights_BVN = torch.tensor([[[1.0], [0], [0]], [[1], [1], [1]]])
    network = chain()
    batch = {"rgb": x_BVNCTHW, "weights": weights_BVN, "padded": True}
    probabilities_BK = view_probabilities(network(batch), weights_BVN=weights_BVN)
    alone_BK = view_probabilities(network({"rgb": x_BVNCTHW[:1, :1]}))
    assert torch.allclose(probabilities_BK[:1], alone_BK, atol=1e-6)
    whole_BK = view_probabilities(network({"rgb": x_BVNCTHW[1:]}))
    assert torch.allclose(probabilities_BK[1:], whole_BK, atol=1e-6)


def test_stacked_frames_are_channels_in_order_of_colour_then_time() -> None:
    class Keep(nn.Module):
        def forward(self, x_BCTHW: Tensor) -> Tensor:
            self.seen = x_BCTHW
            return x_BCTHW.mean(dim=(3, 4)).transpose(1, 2)

    keep = Keep()
    network = Recognizer(
        {"rgb": keep}, {"rgb": Mean(6)}, Concat({"rgb": 6}), nn.Identity(), stacked=["rgb"]
    )
    x_BVNCTHW = torch.rand(1, 1, 1, 3, 2, 4, 4)
    network({"rgb": x_BVNCTHW})
    assert torch.equal(keep.seen[0, :, 0], x_BVNCTHW[0, 0, 0].reshape(6, 4, 4))
