"""S3D has torchvision's logits."""

from __future__ import annotations

import torch

from stfw.models.converters.s3d import from_torchvision
from stfw.models.encoders.s3d import S3D
from tests.parity.classifier import Classifier
from tests.parity.reference import assert_equal_logits, needs, randomise


def test_the_same_weights_give_torchvision_s_logits() -> None:
    torchvision = needs("torchvision")
    reference = randomise(torchvision.models.video.s3d(num_classes=7))
    reference.avgpool.kernel_size = (2, 2, 2)  # a small clip then has several places
    ours = Classifier(S3D(final_pool=(2, 2, 2)), 7).eval()
    ours.load_state_dict(from_torchvision(reference.state_dict()))
    # maps of 3 x 2 x 3: two steps, each of two places
    x_BCTHW = torch.randn(2, 3, 21, 65, 81)
    with torch.no_grad():
        assert ours.encoder.maps(x_BCTHW).shape[2:] == (3, 2, 3)
        assert ours.encoder(x_BCTHW).shape == (2, 2, 1024)
        assert_equal_logits(
            ours(x_BCTHW), reference(x_BCTHW), f"torchvision {torchvision.__version__} s3d"
        )
