"""``stfw weights`` and starting a run from weights, with files as people publish them."""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torchvision
from torch import Tensor

from stfw.commands import start
from stfw.config import compose
from stfw.runs import weights_file
from stfw.types import UserError
from tests.command_line import TINY
from tests.range_server import serving
from tests.test_docs import ROOT, blocks

Call = Callable[..., tuple[int, str, str]]
NUM_CLASSES = 7


def published(seed: int = 0, num_classes: int = NUM_CLASSES) -> dict[str, Tensor]:
    """torchvision's mc3_18 with random weights."""
    torch.manual_seed(seed)
    return torchvision.models.video.mc3_18(num_classes=num_classes).state_dict()


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    return published()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: dict[str, Tensor]) -> Path:
    """The working directory: somebody's checkpoint, and class names."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STFW_CACHE", str(tmp_path / "cache"))
    wrapped = {"model": {f"module.{name}": value for name, value in state.items()}, "epoch": 1}
    torch.save(wrapped, tmp_path / "theirs.pth")
    (tmp_path / "names.txt").write_text("".join(f"class {k}\n" for k in range(NUM_CLASSES)))
    return tmp_path


def test_import_writes_a_file_that_says_what_it_is(
    stfw: Call, folder: Path, state: dict[str, Tensor]
) -> None:
    status, told, error = stfw("weights", "import", "theirs.pth", "as=mc3_18", "classes=names.txt")
    assert status == 0, error
    assert f"from torchvision: {len(state)} tensors" in told
    sha256 = hashlib.sha256((folder / "theirs.pth").read_bytes()).hexdigest()
    path = folder / "cache" / "weights" / f"mc3_18-{sha256[:12]}.safetensors"
    assert told.strip().splitlines()[-1] == f"weights {path}"
    tensors, about = weights_file.read(path)
    assert torch.equal(tensors["head.fc.weight"], state["fc.weight"])
    assert len(tensors) == len(state)
    expected = {"preset": "mc3_18", "source": "torchvision", "sha256": sha256, "num_classes": 7}
    assert expected.items() <= about.items()
    assert about["classes"][6] == "class 6"
    assert (about["input"]["num_frames"], about["input"]["crop_size"]) == (16, 112)
    preset = torchvision.models.get_model_weights("mc3_18").KINETICS400_V1.transforms()
    assert about["input"]["mean"] == pytest.approx(preset.mean)  # the training's, not the preset's
    assert about["input"]["std"] == pytest.approx(preset.std)
    assert "trained with 'transform.batch.normalize.mean=[0.43216,0.394666,0.37645]'" in told

    status, told, _ = stfw("weights", "show", str(path))
    assert status == 0
    assert "preset" in told
    assert "7: class 0, class 1" in told
    assert told.strip().splitlines()[-1].endswith("the checksum fits")
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)
    status, _, told = stfw("weights", "show", str(path))
    assert status == 2
    assert "do not match their checksum" in told


def test_flow_has_other_channels_and_overrides_say_so(stfw: Call, folder: Path) -> None:
    flow = published()
    flow["stem.0.weight"] = flow["stem.0.weight"][:, :2].clone()
    torch.save(flow, "flow.pth")
    words = ["weights", "import", "flow.pth", "as=mc3_18", "out=flow.safetensors"]
    status, _, told = stfw(*words)
    assert status == 2
    assert "encoder.net.stem.0.weight (64, 2, 3, 7, 7) for (64, 3, 3, 7, 7)" in told
    assert stfw(*words, "--", "streams=flow")[0] == 0
    _, about = weights_file.read(folder / "flow.safetensors")
    assert about["overrides"] == "streams=flow"
    assert about["input"]["stream"] == "flow"


def spoil(name: str) -> None:
    content = torch.load("theirs.pth")
    content["model"].pop("module.layer1.0.conv1.0.weight")
    torch.save(content, name)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["wieghts"], "wieghts: no such command; did you mean 'weights'?"),
        (["weights", "imprt"], "imprt: no such word; did you mean 'import'?"),
        (["weights", "import", "theirs.pth"], "name the file and the preset"),
        (["weights", "import", "thiers.pth", "as=mc3_18"], "did you mean 'theirs.pth'?"),
        (["weights", "import", "theirs.pth", "as=mc4_18"], "did you mean 'mc3_18'?"),
        (["weights", "import", "theirs.pth", "as=mc3_18", "form=x"], "did you mean 'from'?"),
        (["weights", "import", "theirs.pth", "as=mc3_18", "from=torchvison"], "'torchvision'?"),
        (["weights", "import", "theirs.pth", "as=mc3_18", "out=x.pth"], "as .safetensors"),
        (["weights", "import", "theirs.pth", "as=mc3_18", "classes=x"], "cannot be read as text"),
        (["weights", "import", "theirs.pth", "as=mc3_18", "--", "streams=rgb_flow"], "2 streams"),
        (["weights", "import", "theirs.pth", "as=r3d_18"], "of another shape: encoder.net.layer2"),
        (["weights", "import", "theirs.pth", "as=stconv"], "'stconv' cannot be imported"),
        (["weights", "import", "spoilt.pth", "as=mc3_18"], "1 missing: encoder.net.layer1.0.conv1"),
        (["weights", "import", "names.txt", "as=mc3_18"], "cannot be read as weights"),
        (["weights", "show"], "name one weights file"),
        (["weights", "show", "names.txt"], "cannot be read as safetensors"),
        (["train", "weights=imagnet"], "did you mean 'imagenet'?"),
        (["train", "weights=no.safetensors"], "weights=no.safetensors: there is no such file"),
        (["train", "weights=imagenet"], "the encoder 'stconv' has no such weights"),
        (["train", "weights=kinetics400", "model=c3d"], "torchvision has none for model=c3d"),
        (["train", "weights=imagenet", "init_from=x"], "give one of them"),
    ],
    ids=lambda value: " ".join(value)[-60:] if isinstance(value, list) else "",
)
def test_mistakes_are_one_sentence_and_write_nothing(
    stfw: Call, folder: Path, words: list[str], message: str
) -> None:
    spoil("spoilt.pth")
    before = sorted(folder.rglob("*"))
    status, _, told = stfw(*words)
    assert status == 2, told
    assert message in told
    assert "Traceback" not in told
    assert sorted(folder.rglob("*")) == before


def test_a_run_starts_from_the_file_with_a_new_head(
    stfw: Call, folder: Path, state: dict[str, Tensor]
) -> None:
    assert stfw("weights", "import", "theirs.pth", "as=mc3_18", "out=w.safetensors")[0] == 0
    still = ["optimizer=sgd", "optimizer.lr=0", "optimizer.momentum=0", "trainer=debug"]
    still += ["test=false", "task.finetune.batch_norm=frozen"]
    status, told, error = stfw(
        "train", *TINY, "model=mc3_18", "weights=w.safetensors", "output_dir=run", *still
    )
    assert status == 0, error
    assert (
        "tensors from w.safetensors; new: head.fc.weight, head.fc.bias; they were trained" in told
    )
    assert "normalize.mean=[0.43216,0.394666,0.37645]" in told
    assert "; 7 classes there" in told
    assert "parameters learn" in told
    after = torch.load(folder / "run/checkpoints/last.ckpt", weights_only=True)["state_dict"]
    for name, value in state.items():
        if not name.startswith("fc.") and not name.endswith("num_batches_tracked"):
            assert torch.equal(after[f"network.encoders.rgb.net.{name}"], value), name
    # what it started from is not asked for again
    (folder / "w.safetensors").unlink()
    assert stfw("test", "run=run")[0] == 0


@pytest.fixture
def kinetics(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """torchvision's entry for mc3_18 points at a local file with random weights."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "hub"))
    path = tmp_path / "mc3_18.pth"
    torch.save(published(1, 400), path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:8]
    path = path.rename(tmp_path / f"mc3_18-{digest}.pth")
    entry = torchvision.models.get_model_weights("mc3_18").KINETICS400_V1
    monkeypatch.setattr(entry.value, "url", path.as_uri())
    return path


def test_kinetics400_is_fetched_checked_and_converted(kinetics: Path) -> None:
    cfg = compose("train", ["model=mc3_18", "weights=kinetics400"]).cfg
    weights = start.open_start(cfg, {"model": "mc3_18"})
    expected = published(1, 400)
    assert torch.equal(weights.state["head.fc.weight"], expected["fc.weight"])
    stem = weights.state["encoder.net.stem.0.weight"]
    assert torch.equal(stem, expected["stem.0.weight"])
    assert weights.classes[0] == "abseiling"
    assert "transform.batch.normalize.mean=[0.43216,0.394666,0.37645]" in weights.notes[0]


def test_kinetics400_with_a_wrong_digest_is_refused(kinetics: Path) -> None:
    kinetics.write_bytes(kinetics.read_bytes() + b"x")
    cfg = compose("train", ["model=mc3_18", "weights=kinetics400"]).cfg
    with pytest.raises(UserError, match=r"cannot be fetched \(the SHA-256 of.*put it into"):
        start.open_start(cfg, {"model": "mc3_18"})


def test_kinetics400_goes_on_where_the_connection_was_cut(
    kinetics: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = kinetics.stat().st_size
    entry = torchvision.models.get_model_weights("mc3_18").KINETICS400_V1
    cfg = compose("train", ["model=mc3_18", "weights=kinetics400"]).cfg
    with serving(kinetics.parent) as server:
        monkeypatch.setattr(entry.value, "url", f"{server.url}/{kinetics.name}")
        server.cuts = [size // 2]
        weights = start.open_start(cfg, {"model": "mc3_18"})
        assert [count for _, count in server.requested] == [size // 2, size - size // 2]
        assert torch.equal(weights.state["head.fc.weight"], published(1, 400)["fc.weight"])
        start.open_start(cfg, {"model": "mc3_18"})
        assert len(server.requested) == 2  # it is there


def test_a_checkpoint_fetches_nothing_again(stfw: Call, tmp_path: Path) -> None:
    from stfw.inference import open_checkpoint

    words = ["model=frame_cnn", "trainer=debug", "test=false", f"output_dir={tmp_path / 'run'}"]
    small = [w for w in TINY if not w.startswith(("clip.", "trainer"))]
    assert stfw("train", *small, *words)[0] == 0
    path = tmp_path / "run/checkpoints/last.ckpt"
    content = torch.load(path, weights_only=True)
    content["stfw"]["config"]["weights"] = "imagenet"
    content["stfw"]["config"]["encoder"]["pretrained"] = True
    other = tmp_path / "other.ckpt"
    torch.save(content, other)
    _, cfg, _ = open_checkpoint(str(other))
    assert (cfg.weights, cfg.init_from, cfg.encoder.pretrained) == (None, None, False)


def test_the_page_s_commands_work(
    stfw: Call, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = [
        shlex.split(line, comments=True)[1:]
        for block in blocks(ROOT / "docs" / "weights.md", "sh")
        for line in block.splitlines()
        if line.startswith("stfw weights")
    ]
    assert len(shown) >= 3
    torch.save(published(0, 400), "mc3_18.pth")
    (folder / "kinetics_400.txt").write_text("".join(f"{k}\n" for k in range(400)))
    flow = published(0, 400)
    flow["stem.0.weight"] = flow["stem.0.weight"][:, :2].clone()
    torch.save(flow, "mc3_18_flow.pth")
    for words in shown:
        status, _, told = stfw(*words)
        assert status == 0, (words, told)
    assert json.loads(json.dumps(weights_file.read(folder / "mc3_18.safetensors")[1]))
