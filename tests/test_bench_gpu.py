"""``tools/bench_gpu.py``: its steps are real ones, and it names what it misses."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tests.tool import load_tool


@pytest.fixture(scope="module")
def bench() -> Any:
    return load_tool("bench_gpu")


def test_a_step_learns_in_the_precision_and_layout_of_its_mode(bench: Any) -> None:
    small = ["encoder.name=resnet18", "clip.crop_size=32"]
    words = ["model=tsn", *small, *bench.MODES["bf16+last"]]
    step = bench.Step(bench.compose("train", words).cfg, 2, torch.device("cpu"))
    seen = []
    encoder = step.network.encoders["rgb"]
    encoder.register_forward_hook(lambda _, __, y: seen.append(y.dtype))
    first = next(m for m in encoder.modules() if isinstance(m, torch.nn.Conv2d))
    assert first.weight.is_contiguous(memory_format=torch.channels_last)
    before = first.weight.detach().clone()
    assert step.seconds(2) > 0
    assert seen == [torch.bfloat16] * 2
    assert not torch.equal(before, first.weight)
    # ResNet-18 has 1.82 GMACs at 224 pixels, He et al. 2016
    assert step.gflops == pytest.approx(6 * 1.82 / 7**2, rel=0.05)


def test_what_failed_and_what_is_no_faster_is_named(bench: Any) -> None:
    def rate(clips: float) -> dict[str, float]:
        return {"clips_per_sec": clips}

    assert bench.missed({"c3d": {"float32": rate(10), "bf16": rate(11)}}) == []
    assert bench.missed({"c3d": {"float32": rate(10), "bf16": rate(9)}}) == [
        "c3d: no mode is faster than float32 alone"
    ]
    assert bench.missed({"i3d": {"float32": rate(10), "bf16": {"error": "out of memory"}}}) == [
        "i3d bf16: out of memory"
    ]


def test_without_a_gpu_nothing_is_measured(
    bench: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["bench_gpu.py"])
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(SystemExit) as left:
        bench.main()
    assert left.value.code == 2
    assert "no GPU here" in capsys.readouterr().err
