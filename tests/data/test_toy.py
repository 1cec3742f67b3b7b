"""The embedded data set: what makes a class, what must not, and that files are made once."""

from __future__ import annotations

import itertools
from pathlib import Path

import av
import numpy as np
import pytest

from stfw.data.toy import CUES, Toy, factors
from stfw.data.toy_render import (
    DISTRACTOR_PLACES,
    MOTIONS,
    at_centre,
    distractor,
    draw_scene,
    in_turn,
    lit_for,
    render,
    sing,
)
from stfw.types import UserError
from stfw.video.decode import decode
from stfw.video.probe import probe


def scene(motion: str, seed: int = 0, num_frames: int = 32):
    return draw_scene(motion, "red", num_frames, 64, np.random.default_rng(seed))


def test_a_motion_decides_how_a_scene_goes_on_and_nothing_else() -> None:
    scenes = {motion: scene(motion) for motion in MOTIONS}
    still = scenes["grow"]
    for motion, moving in scenes.items():
        assert (moving.x_T[0], moving.y_T[0], moving.radius_T[0], moving.angle_T[0]) == (
            still.x_T[0],
            still.y_T[0],
            still.radius_T[0],
            still.angle_T[0],
        ), motion
        assert np.array_equal(render(moving)[0], render(still)[0]), motion  # the first frame

    def change(name: str, motion: str) -> float:
        values_T = getattr(scenes[motion], name)
        return float(np.median(np.diff(values_T)))

    assert change("x_T", "right") > 0 > change("x_T", "left")
    assert change("y_T", "down") > 0 > change("y_T", "up")
    assert change("radius_T", "grow") > 0 > change("radius_T", "shrink")
    assert change("angle_T", "clockwise") > 0 > change("angle_T", "counterclockwise")
    assert change("x_T", "up") == change("x_T", "grow") == change("angle_T", "grow") == 0


@pytest.mark.parametrize("moment", [0, 17, 31])
def test_at_every_moment_all_motions_look_alike(moment: int) -> None:
    """Position and size have the same distribution whatever the motion, early and late."""
    drawn = {
        motion: np.array(
            [
                (s.x_T[moment], s.y_T[moment], np.log(s.radius_T[moment]))
                for s in (scene(motion, seed) for seed in range(400))
            ]
        )
        for motion in MOTIONS
    }
    deciles = {m: np.quantile(values, np.linspace(0, 1, 11), axis=0) for m, values in drawn.items()}
    spread = np.ptp(next(iter(drawn.values())), axis=0)
    for one, other in itertools.combinations(MOTIONS, 2):
        assert (np.abs(deciles[one] - deciles[other]) < 0.12 * spread).all(), (one, other)


def test_cues_make_the_label() -> None:
    assert Toy(cues=["motion"]).classes == list(MOTIONS)
    both = Toy(cues=["sound", "motion"]).classes
    assert len(both) == 16
    assert both[1] == "rising+left"
    assert len(Toy(cues=["motion", "sound", "appearance"]).classes) == 8
    generator = np.random.default_rng(0)
    drawn = [factors("left+falling", ["motion", "sound"], generator) for _ in range(300)]
    assert {(d["motion"], d["sound"]) for d in drawn} == {("left", "falling")}
    assert {d["appearance"] for d in drawn} == set(CUES["appearance"])  # a distractor


def test_an_order_shows_the_same_colours_the_other_way_round() -> None:
    def hues(order: str, seed: int) -> list[str]:
        turned = in_turn(scene("grow", seed), order, np.random.default_rng(seed))
        strongest_T = turned.color_TC.argmax(axis=1)
        return ["rgb"[channel] for channel in strongest_T]

    for seed in range(20):
        one, other = hues("red_green", seed), hues("green_red", seed)
        change = one.index("g")
        assert 12 <= change <= 20
        assert one == ["r"] * change + ["g"] * (32 - change)
        assert other == ["g"] * change + ["r"] * (32 - change)
    classes = Toy(cues=["order"]).classes
    assert len(classes) == 8
    assert {tuple(sorted(name.split("_"))) for name in classes} == {
        ("green", "red"),
        ("amber", "blue"),
        ("teal", "violet"),
        ("lime", "pink"),
    }


@pytest.mark.parametrize("cues", [["motoin"], [], ["motion", "motion"], ["appearance", "order"]])
def test_wrong_cues_are_named(cues: list[str]) -> None:
    with pytest.raises(UserError, match=r"data\.cues"):
        Toy(cues=cues)


def test_sounds_have_their_patterns() -> None:
    def pitch(sound_L: np.ndarray) -> float:
        spectrum = np.abs(np.fft.rfft(sound_L * np.hanning(len(sound_L))))
        return float(np.argmax(spectrum) / len(sound_L) * 16000)

    for seed in range(5):
        rising = sing("rising", 2.0, np.random.default_rng(seed))
        falling = sing("falling", 2.0, np.random.default_rng(seed))
        assert rising.dtype == np.float32
        assert np.abs(rising).max() <= 1
        assert pitch(rising[:6400]) < 0.75 * pitch(rising[-6400:])
        assert pitch(falling[:6400]) > 1.3 * pitch(falling[-6400:])


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Toy:
    root = tmp_path_factory.mktemp("toy")
    made = Toy(str(root), num_train=16, num_val=8, num_test=8, num_frames=12, size=32)
    made.records("train")
    return made


def test_files_are_real_videos_with_sound(toy: Toy) -> None:
    for record in toy.records("val"):
        index = probe(record.path)
        assert index.info.num_frames == 12
        assert index.info.has_audio
        assert decode(index, np.arange(12)).shape == (12, 32, 32, 3)
        with av.open(record.path) as container:
            stream = container.streams.audio[0]
            num_samples = sum(frame.samples for frame in container.decode(stream))
        assert num_samples / stream.rate == pytest.approx(12 / 16, abs=0.1)


def test_splits_are_balanced_and_share_no_video(toy: Toy) -> None:
    seen = set()
    for split, count in (("train", 2), ("val", 1), ("test", 1)):
        records = toy.records(split)
        assert np.bincount([record.label for record in records]).tolist() == [count] * 8
        for record in records:
            pixels = decode(probe(record.path), np.array([0])).tobytes()
            assert pixels not in seen
            seen.add(pixels)


def test_files_are_written_once_and_mended(toy: Toy) -> None:
    records = toy.records("train")
    first, second, third = (Path(record.path) for record in records[:3])
    times = {path: path.stat().st_mtime_ns for path in (first, second, third)}
    good = first.read_bytes()
    first.write_bytes(good[:100])
    second.unlink()
    again = Toy(str(toy.root), num_train=16, num_val=8, num_test=8, num_frames=12, size=32)
    assert again.records("train") == records
    assert first.read_bytes() == good
    assert second.is_file()
    assert third.stat().st_mtime_ns == times[third]
    assert not list(toy.root.rglob("*.part*"))


def test_the_same_settings_give_the_same_pixels(toy: Toy, tmp_path: Path) -> None:
    other = Toy(str(tmp_path), num_train=16, num_val=8, num_test=8, num_frames=12, size=32)
    mine, theirs = (Path(t.records("test")[3].path).read_bytes() for t in (toy, other))
    assert mine == theirs


def test_the_light_is_on_for_the_frames_that_tell() -> None:
    plain = scene("right")
    lit = lit_for(plain, 6, np.random.default_rng(1))
    on_T = lit.light_T == 1
    assert on_T.sum() == 6
    assert np.ptp(np.flatnonzero(on_T)) == 5  # on end
    assert (lit.color_TC[on_T] == plain.color_TC[on_T]).all()
    assert len(np.unique(lit.color_TC[~on_T], axis=0)) == 26  # another colour in every dark frame
    bright_T = render(lit).mean(axis=(1, 2, 3))
    assert bright_T[on_T].min() > bright_T[~on_T].max()
    assert np.array_equal(render(lit)[on_T], render(plain)[on_T])


def test_the_object_keeps_to_the_centre_and_distractors_away_from_it() -> None:
    middle = at_centre(scene("right"), 64, np.random.default_rng(1))
    assert (abs(middle.x_T - 32) <= 8).all()
    assert (abs(middle.y_T - 32) <= 8).all()
    assert np.median(np.diff(middle.x_T)) > 0  # the motion is the same
    moved = []
    for nth, (row, column) in enumerate(DISTRACTOR_PLACES):
        other = distractor(nth, 32, 64, np.random.default_rng(nth))
        apart = [
            abs((values_T - 64 * place + 32) % 64 - 32).max()
            for values_T, place in ((other.y_T, row), (other.x_T, column))
        ]
        assert max(apart) <= 8
        moved.append(render(middle, other))
    assert all((pixels != render(middle)).any() for pixels in moved)


def test_variants_are_other_videos_and_wrong_ones_are_told() -> None:
    plain, lit, busy = Toy(), Toy(num_cue_frames=6), Toy(num_distractors=3)
    assert len({plain.root, lit.root, busy.root}) == 3
    with pytest.raises(UserError, match="num_cue_frames=40"):
        Toy(num_cue_frames=40)
    with pytest.raises(UserError, match="num_distractors=4"):
        Toy(num_distractors=4)


def test_an_unwritable_folder_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cannot be written.*data\.root="):
        Toy(str(tmp_path / "file" / "x"), num_train=8, num_val=8, num_test=8).records("train")
