"""What every test may use: the real clips where they are at hand, and a cache of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED_VIDEOS = Path(__file__).resolve().parents[2] / "shared" / "videos"


@pytest.fixture(scope="session")
def shared_videos() -> Path:
    """Folder of real clips that lies beside the checkout; skips where it is absent."""
    if not SHARED_VIDEOS.is_dir():
        pytest.skip("the real clips (../shared/videos) are not at hand")
    return SHARED_VIDEOS


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Tests neither read nor write the user's cache."""
    import os

    os.environ.setdefault("STFW_CACHE", str(tmp_path_factory.mktemp("cache")))
