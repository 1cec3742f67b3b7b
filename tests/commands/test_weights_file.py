"""A weights file labels videos and is tested, as a run is."""

from __future__ import annotations

import csv
import json
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torchvision
from torch import nn

import stfw as package
from stfw.data.folder import Folder
from stfw.runs import weights_file
from tests.test_docs import ROOT, blocks

Call = Callable[..., tuple[int, str, str]]
SMALL = ["clip.num_frames=4", "clip.short_side=32", "clip.crop_size=32"]
DATA = ["data=folder", "data.root=videos", "data.num_workers=0", "trainer=cpu"]


def network(num_classes: int = 2) -> nn.Module:
    """torchvision's mc3_18 with random weights, which still tell one video from another."""
    torch.manual_seed(0)
    made = torchvision.models.video.mc3_18(num_classes=num_classes)
    for name, buffer in made.named_buffers():
        if name.endswith("running_var"):
            buffer.mul_(0.1)
    return made.eval()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes of videos, and the checkpoints of somebody else."""
    folder = tmp_path_factory.mktemp("weights")
    for split in ("train", "val", "test"):
        Folder.write_toy(folder / "videos" / split)
    shutil.copytree(folder / "videos" / "test", folder / "more" / "test")
    shutil.copytree(folder / "videos" / "train", folder / "more" / "train")
    for split in ("train", "test"):
        shutil.copytree(folder / "more" / split / "left", folder / "more" / split / "third")
    state = network().state_dict()
    torch.save(state, folder / "theirs.pth")
    turned = {k: value.flip(0) if k.startswith("fc.") else value for k, value in state.items()}
    torch.save(turned, folder / "turned.pth")
    for name, text in (("names", "left\nright\n"), ("turned", "right\nleft\n"), ("x", "a\nb\n")):
        (folder / f"{name}.txt").write_text(text)
    return folder


@pytest.fixture
def weights(stfw: Call, place: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Imports a checkpoint in the working directory; gives the file."""
    monkeypatch.chdir(place)

    def make(out: str, *words: str, state: str = "theirs.pth") -> str:
        if not Path(out).exists():
            call = ["weights", "import", state, "as=mc3_18", f"out={out}", *words, "--", *SMALL]
            status, _, error = stfw(*call)
            assert status == 0, error
        return out

    return make


def scores(folder: str) -> dict[str, dict[str, float]]:
    """Video to class to probability."""
    with (Path(folder) / "predictions_1x1.csv").open() as lines:
        return {
            row["video_id"]: {k[6:]: float(v) for k, v in row.items() if k.startswith("score/")}
            for row in csv.DictReader(lines)
        }


def test_it_labels_videos_with_its_classes_on_the_clip_it_was_made_for(
    stfw: Call, weights: Callable[..., str]
) -> None:
    file = weights("named.safetensors", "classes=names.txt")
    model = package.load(file)
    assert model.classes == ["left", "right"]
    batch = model.preprocess("videos/test/left/0.mp4")
    assert batch["rgb"].shape == (1, 1, 1, 3, 4, 32, 32)
    x_BCTHW = model.batch_transform({**batch})["rgb"][:, 0, 0]
    with torch.no_grad():
        expected_K = network()(x_BCTHW).softmax(dim=1)[0].tolist()
    assert model.probabilities(batch)[0].tolist() == pytest.approx(expected_K, abs=1e-4)
    status, told, error = stfw("predict", "--json", file, "videos/test/left/0.mp4")
    assert status == 0, error
    top = {row["class"]: row["probability"] for row in json.loads(told)[0]["top"]}
    assert top == pytest.approx(dict(zip(["left", "right"], expected_K, strict=True)), abs=1e-4)


def test_it_is_tested_on_the_data_that_are_named(stfw: Call, weights: Callable[..., str]) -> None:
    file = weights("named.safetensors", "classes=names.txt")
    before = set(Path().iterdir())
    status, told, error = stfw("test", f"run={file}", *DATA, "output_dir=first")
    assert status == 0, error
    assert "4 test videos, views 1x1" in told
    assert told.strip().splitlines()[-1].startswith("test/top1 0.")
    assert set(Path().iterdir()) - before == {Path("first")}
    record = json.loads(Path("first/run.json").read_text())
    assert record["tests"]["1x1"]["test/top1"] >= 0
    assert record["weights"]["preset"] == "mc3_18"
    found = scores("first")
    model = package.load(file)
    for video, row in found.items():
        again = dict(model.predict(f"videos/test/{video.removeprefix('test/')}"))
        assert again == pytest.approx(row, abs=1e-4)
    # the same network whose classes stand in another order
    other = weights("turned.safetensors", "classes=turned.txt", state="turned.pth")
    assert stfw("test", f"weights={other}", *DATA, "output_dir=second")[0] == 0
    assert scores("second") == {v: pytest.approx(row, abs=1e-5) for v, row in found.items()}
    # and without names they are taken in the data's order
    status, told, _ = stfw("test", f"run={weights('bare.safetensors')}", *DATA, "output_dir=third")
    assert status == 0
    assert "the weights do not name their 2 classes" in told
    assert scores("third") == {v: pytest.approx(row, abs=1e-5) for v, row in found.items()}
    assert package.load("bare.safetensors").classes == ["class 0", "class 1"]


def test_the_page_s_commands_work(stfw: Call, weights: Callable[..., str]) -> None:
    """On a small clip, and on the folder that is here."""
    weights("mc3_18.safetensors", "classes=names.txt")
    shutil.copy("videos/test/left/0.mp4", "clip.mp4")
    shutil.copytree("videos/test", "folder", dirs_exist_ok=True)
    shown = [
        shlex.split(line)[1:]
        for block in blocks(ROOT / "docs" / "weights.md", "sh")
        for line in block.splitlines()
        if line.startswith(("stfw predict", "stfw test"))
    ]
    assert len(shown) == 2
    for words in shown:
        own = ["output_dir=shown", *DATA[2:]] if words[0] == "test" else []
        status, _, told = stfw(*[word.replace("/videos", "videos") for word in words], *own)
        assert status == 0, (words, told)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["test", "run=named.safetensors"], "name the data that the weights are tested on"),
        (["test", "run=namd.safetensors", "data=folder"], "did you mean 'named.safetensors'?"),
        (["test", "run=named.safetensors", "weights=x"], "one run or weights file"),
        (["test", "run=named.safetensors", *DATA, "model=c3d"], "the weights settle the model"),
        (["test", "run=named.safetensors", *DATA, "head=mlp"], "the weights settle the head"),
        (["test", "run=named.safetensors", *DATA, "data.root=more"], "3 classes (left, right, thi"),
        (["test", "run=other.safetensors", *DATA], "and the weights 2 (a, b)"),
        (["test", "run=named.safetensors", *DATA, "encoder.depth=34"], "are of another network"),
        (["predict", "named.safetensors", "nothing.mp4"], "there is no such file or folder"),
        (["predict", "foreign.safetensors", "videos"], "bring it in: stfw weights import foreign"),
        (["predict", "headless.safetensors", "videos"], "the weights have no head"),
        (["predict", "part.safetensors", "videos"], "missing: aggregators.rgb.lstm"),
    ],
    ids=lambda value: " ".join(value)[:60] if isinstance(value, list) else "",
)
def test_what_does_not_fit_is_one_sentence(
    stfw: Call, weights: Callable[..., str], words: list[str], message: str
) -> None:
    state, about = weights_file.read(Path(weights("named.safetensors", "classes=names.txt")))
    weights("other.safetensors", "classes=x.txt")
    encoder = {name: value for name, value in state.items() if name.startswith("encoder.")}
    weights_file.write(Path("headless.safetensors"), encoder, {**about, "num_classes": None})
    weights_file.write(Path("part.safetensors"), state, {**about, "overrides": "aggregator=lstm"})
    if not Path("foreign.safetensors").exists():
        from safetensors.torch import save_file

        save_file({"weight": torch.zeros(1)}, "foreign.safetensors")
    before = set(Path().rglob("*"))
    status, _, told = stfw(*words)
    assert status == 2, told
    assert message in told
    assert "Traceback" not in told
    assert set(Path().rglob("*")) == before
