"""An import asks for the settings that no tensor shows, and records the pixels of the training."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable

import pytest
import torchvision
from torch import Tensor

from stfw.commands.origins import normalised, pixels, remarks, settle
from stfw.commands.weights import _network, _only_encoder
from stfw.config import compose
from stfw.models.convert import Converted, convert, sources
from stfw.models.converters import c3d
from stfw.models.origin import GRAY, IMAGENET, KINETICS, MMACTION, Network, Pixels
from stfw.types import UserError

Rename = Callable[[str, Tensor], tuple[str, Tensor]]


def mmaction(name: str, tensor: Tensor) -> tuple[str, Tensor]:
    """Our ResNets' and SlowFast's names as MMAction2's."""
    name = name.replace("head.fc.", "cls_head.fc_cls.").replace("encoder.", "backbone.")
    name = re.sub(r"(slow|fast)_(stem|stages)", r"\1_path.\2", name).replace("stem.", "conv1.")
    stage = re.compile(r"stages\.(\d)\.(\d+)")
    name = stage.sub(lambda found: f"layer{int(found[1]) + 1}.{found[2]}", name)
    for ours, theirs in {"a": "conv1", "b": "conv2", "c": "conv3"}.items():
        name = re.sub(rf"(layer\d\.\d+)\.{ours}\.", rf"\1.{theirs}.", name)
    name = name.replace("shortcut", "downsample").replace("laterals.0", "slow_path.conv1_lateral")
    name = re.sub(r"laterals\.(\d)", r"slow_path.layer\1_lateral", name)
    name = name.replace("non_local.out", "non_local_block.conv_out.conv")
    name = name.replace("non_local.bn", "non_local_block.conv_out.bn")
    return re.sub(r"non_local\.(g|theta|phi)", r"non_local_block.\1.conv", name), tensor


def flat(name: str, tensor: Tensor) -> tuple[str, Tensor]:
    """The same, convolutions as those of a 2D network."""
    return mmaction(name, tensor[:, :, 0] if tensor.ndim == 5 else tensor)


def slowfast(name: str, tensor: Tensor) -> tuple[str, Tensor]:
    """Our ResNets' and SlowFast's names as PySlowFast's."""
    name = name.replace("head.fc.", "head.projection.").replace("encoder.", "")
    name = name.replace("slow_", "0|").replace("fast_", "1|")
    name = name if "|" in name or name.startswith(("head", "laterals")) else f"0|{name}"
    name = re.sub(r"(\d)\|stem\.", r"s1.pathway\1_stem.", name)
    stage = re.compile(r"(\d)\|stages\.(\d)\.(\d+)\.")
    name = stage.sub(lambda x: f"s{int(x[2]) + 2}.pathway{x[1]}_res{x[3]}.", name)
    name = re.sub(r"\.([abc])\.conv\.", r".branch2.\1.", name)
    name = re.sub(r"\.([abc])\.bn\.", r".branch2.\1_bn.", name)
    name = name.replace("shortcut.conv", "branch1").replace("shortcut.bn", "branch1_bn")
    lateral = re.compile(r"laterals\.(\d)\.(conv|bn)")
    kinds = {"conv": "conv_f2s", "bn": "bn"}
    return lateral.sub(lambda x: f"s{int(x[1]) + 1}_fuse.{kinds[x[2]]}", name), tensor


def videomae(name: str, tensor: Tensor) -> tuple[str, Tensor]:
    """Our VideoMAE's names as its authors'."""
    name = name.replace("encoder.patch.", "patch_embed.proj.").replace("head.fc.", "head.")
    return name.replace("encoder.norm.", "fc_norm.").replace("encoder.", ""), tensor


def imported(preset: str, given: list[str], rename: Rename) -> tuple[Network, dict, list[str]]:
    """What an import of the preset's own tensors under foreign names settles."""
    cfg = compose("train", [f"model={preset}", *given]).cfg
    stream, encoder = _only_encoder(cfg)
    own = _network(cfg, 7).state_dict()
    result: Converted = convert(
        dict(rename(name, tensor) for name, tensor in own.items()),
        encoder,
        lambda number: _network(cfg, number),
    )
    assert result.state.keys() == own.keys()
    return settle(cfg, stream, result.networks, given)


HEAVY = "encoder.time_kernels=[[3],[3],[3],[3]]"
STRIDES = ["encoder.stem_time_stride=1", "encoder.stem_pool_time_stride=1"]
C2D, STRIDED = "encoder.stem_pool_padding=0", "encoder.slow_frames=strided"


@pytest.mark.parametrize(
    ("preset", "base", "rename", "missing", "name"),
    [
        ("slowfast_r50", [], mmaction, [STRIDED], "MMAction2's SlowFast"),
        ("slowfast_r50_4x16", [], mmaction, [STRIDED], "MMAction2's SlowFast"),
        ("c2d_r50", [], flat, [C2D], "MMAction2's C2D"),
        ("i3d_r50", [HEAVY], mmaction, STRIDES, "MMAction2's heavy I3D"),
        ("i3d_r50", [], slowfast, STRIDES, "PySlowFast's I3D"),
        (
            "slowfast_r50",
            ["encoder.lateral_kernel=5"],
            slowfast,
            ["encoder.alpha=8"],
            "PySlowFast's SlowFast",
        ),
        (
            "videomae_b",
            ["encoder.width=384"],
            videomae,
            ["encoder.num_heads=6"],
            "VideoMAE of its authors",
        ),
    ],
    ids=lambda value: value.__name__ if callable(value) else None,
)
def test_without_its_settings_an_import_is_refused_and_names_them(
    preset: str, base: list[str], rename: Rename, missing: list[str], name: str
) -> None:
    with pytest.raises(UserError) as caught:
        imported(preset, base, rename)
    assert f"add after --: {' '.join(missing)} ({name})" in str(caught.value)
    network, settings, _ = imported(preset, [*base, *missing], rename)
    assert network.name == name
    for override in missing:
        key, _, value = override.removeprefix("encoder.").partition("=")
        assert str(settings[key]) == value


@pytest.mark.parametrize(
    ("preset", "rename"),
    [
        ("i3d_r50", mmaction),
        ("slowonly_r50", mmaction),
        ("slowonly_r50", slowfast),
        ("slowfast_r50", slowfast),
        ("slowfast_r50_4x16", slowfast),
        ("slowfast_r101", slowfast),
        ("videomae_b", videomae),
    ],
    ids=lambda value: value.__name__ if callable(value) else None,
)
def test_a_preset_that_has_the_settings_needs_nothing(preset: str, rename: Rename) -> None:
    assert imported(preset, [], rename)[2] == []


def test_names_of_several_networks_are_told() -> None:
    network, settings, told = imported("c2d_r50", [], slowfast)
    assert (network.name, settings["time_pool"]) == ("PySlowFast's C2D", True)
    assert told == [
        "taken as PySlowFast's C2D; the same names and shapes are those of PySlowFast's C2D "
        "without pool in time, which needs encoder.time_pool=false"
    ]
    network, _, told = imported("c2d_r50", ["encoder.time_pool=false"], flat)
    assert network.name == "MMAction2's ResNet on frames"
    network, _, told = imported("i3d_r50_nl", [], mmaction)
    assert network.name == "MMAction2's I3D, dot_product"
    assert "encoder.non_local=embedded_gaussian" in told[0]


def test_the_person_s_word_counts_and_is_told() -> None:
    _, settings, told = imported("slowfast_r50", ["encoder.slow_frames=linspace"], mmaction)
    assert settings["slow_frames"] == "linspace"
    assert told == [f"taken as you say; MMAction2's SlowFast has {STRIDED}"]


def test_pixels_are_those_of_the_training_and_a_difference_is_told() -> None:
    cfg = compose("train", ["model=mc3_18"]).cfg
    found, told = pixels(cfg, "rgb", Network("torchvision's", KINETICS), [])
    assert found == {"mean": list(KINETICS.mean), "std": list(KINETICS.std)}
    assert "transform.batch.normalize.mean=[0.43216,0.394666,0.37645]" in told[0]
    assert "the preset has 'transform.batch.normalize.mean=[0.45,0.45,0.45]'" in told[0]
    assert pixels(cfg, "rgb", Network("PySlowFast's", GRAY), [])[1] == []


def test_pixels_that_nobody_knows_stay_the_preset_s() -> None:
    cfg = compose("train", ["model=c3d"]).cfg
    found, told = pixels(cfg, "rgb", Network("C3D", None, note="a mean clip"), [])
    assert found["mean"] == [0.45, 0.45, 0.45]
    assert told == [
        "how C3D normalises is not known; the preset's is recorded",
        "pixels: a mean clip",
    ]


def test_pixels_that_the_person_gave_are_recorded() -> None:
    given = ["transform.batch.normalize.mean=[0.1,0.2,0.3]"]
    cfg = compose("train", ["model=mc3_18", *given]).cfg
    found, told = pixels(cfg, "rgb", Network("torchvision's", KINETICS), given)
    assert (found["mean"], found["std"]) == ([0.1, 0.2, 0.3], list(KINETICS.std))
    assert "normalize.mean" not in told[0]


def test_flow_has_a_spread_and_no_mean() -> None:
    cfg = compose("train", ["model=slowonly_r50", "streams=flow"]).cfg
    found, told = pixels(cfg, "flow", Network("MMAction2's", MMACTION), [])
    assert found == {"motion_std": 0.5}
    assert "transform.batch.normalize.motion_std=0.5" in told[0]
    found, told = pixels(cfg, "flow", Network("torchvision's", KINETICS), [])
    assert found == {"motion_std": 0.25}
    assert told[0].startswith("how torchvision's normalises is not known")


def test_a_run_that_starts_otherwise_is_told() -> None:
    about = {"settings": {"slow_frames": "strided"}, "input": {"mean": [0.5, 0.5, 0.5]}}
    cfg = compose("train", ["model=slowfast_r50"]).cfg
    assert remarks(cfg, about) == [
        f"they were made with {STRIDED}",
        "they were trained with 'transform.batch.normalize.mean=[0.5,0.5,0.5]'",
    ]
    cfg = compose("train", ["model=slowfast_r50", STRIDED]).cfg
    assert remarks(cfg, {"settings": about["settings"]}) == []
    assert remarks(cfg, {}) == []
    flow = compose("train", ["model=slowfast_r50", STRIDED, "streams=flow"]).cfg
    assert remarks(flow, about) == []  # which has no colours
    cfg.transform.batch.normalize = None
    assert normalised(cfg, about["input"]) == []
    cfg.transform.batch = None
    assert normalised(cfg, about["input"]) == []


def test_a_normalisation_that_is_given_as_it_was_told_is_told_no_more() -> None:
    mean = [0.48145466, 0.4578275, 0.40821073]
    (told,) = normalised(compose("train", []).cfg, {"mean": mean})
    (word,) = shlex.split(told.removeprefix("they were trained with "))
    assert normalised(compose("train", [word]).cfg, {"mean": mean}) == []


def test_c3d_s_last_pool_is_of_the_weights() -> None:
    cfg = compose("train", ["model=c3d", "encoder.last_pool=ceil"]).cfg
    for source in (c3d.from_mmaction, c3d.from_sports1m):
        with pytest.raises(UserError, match=r"add after --: encoder\.last_pool=padded"):
            settle(cfg, "rgb", source.networks({}), [])


@pytest.mark.parametrize(
    "name", ["r3d_18", "mc3_18", "r2plus1d_18", "s3d", "mvit_v1_b", "mvit_v2_s", "swin3d_t"]
)
def test_torchvision_s_pixels_are_torchvision_s(name: str) -> None:
    cfg = compose("train", [f"model={name}"]).cfg
    (network,) = sources(_only_encoder(cfg)[1])["torchvision"].networks({})
    published = torchvision.models.get_model_weights(name).KINETICS400_V1.transforms()
    assert network.pixels is not None
    assert (network.pixels.mean, network.pixels.std) == (
        pytest.approx(published.mean),
        pytest.approx(published.std),
    )


def test_pixels_of_images_are_timm_s() -> None:
    from timm.data import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD

    assert Pixels(IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD) == IMAGENET
