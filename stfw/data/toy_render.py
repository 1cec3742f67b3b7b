"""Draws the toy clips: one moving shape, a trembling camera, and a sound.

By construction no single frame tells the motion. Position is uniform on a torus (what leaves on
one side enters on the other), size is log-uniform on a circle (growing is a sawtooth), the angle is
uniform: these hold at every moment, whatever the motion.
"""

from __future__ import annotations

import colorsys
import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

MOTIONS = ("right", "left", "up", "down", "grow", "shrink", "clockwise", "counterclockwise")
SOUNDS = ("rising", "falling", "fast_pulse", "slow_pulse", "step_up", "step_down", "warble", "hiss")
APPEARANCES = ("red", "green", "blue", "amber", "violet", "teal", "pink", "lime")
ORDERS = tuple(  # each pair of colours both ways
    order
    for one, other in zip(APPEARANCES[::2], APPEARANCES[1::2], strict=True)
    for order in (f"{one}_{other}", f"{other}_{one}")
)
SHAPES = ("triangle", "bar", "angle", "arrow", "half_disc")
SAMPLE_RATE = 16000
_HUES = dict(zip(APPEARANCES, (0, 125, 220, 40, 275, 180, 325, 80), strict=True))  # degrees
# (y, x) in frame sides, on the torus: the corners, top and bottom, left and right
DISTRACTOR_PLACES = ((0.0, 0.0), (0.0, 0.5), (0.5, 0.0))
_MIN_RADIUS, _MAX_RADIUS = 7.5, 21.0  # pixels of a 64-pixel frame


@dataclass(frozen=True)
class Scene:
    """Everything that a clip shows, frame by frame (``_T``), in pixels and radians.

    Attributes:
        x_T: column of the object's centre, 0..size.
        y_T: row of the object's centre, 0..size.
        radius_T: of the object.
        angle_T: of the object; grows clockwise on the screen.
        shake_T2: int64, rows and columns by which the camera moves the whole picture.
        shape: one of ``SHAPES``.
        color_TC: of the object, 0..1.
        texture: (kind 0..3, contrast).
        background_HWC: float32, 0..1.
        light_T: factor of the background's brightness.
    """

    x_T: np.ndarray
    y_T: np.ndarray
    radius_T: np.ndarray
    angle_T: np.ndarray
    shake_T2: np.ndarray
    shape: str
    color_TC: np.ndarray
    texture: tuple[int, float]
    background_HWC: np.ndarray
    light_T: np.ndarray


def draw_scene(
    motion: str, appearance: str, num_frames: int, size: int, generator: np.random.Generator
) -> Scene:
    """Draws a scene at random; the motion decides how it goes on, not what a frame looks like."""
    scale = size / 64
    t_T = np.arange(num_frames)
    speed = generator.uniform(0.9, 2.0) * scale  # pixels per frame
    growth = generator.uniform(1 / 36, 1 / 20)  # turns of the size circle per frame
    turn = generator.uniform(math.radians(6), math.radians(12))
    dx, dy = {"right": (1, 0), "left": (-1, 0), "up": (0, -1), "down": (0, 1)}.get(motion, (0, 0))
    grow = {"grow": 1, "shrink": -1}.get(motion, 0)
    spin = {"clockwise": 1, "counterclockwise": -1}.get(motion, 0)
    phase_T = (generator.uniform() + grow * growth * t_T) % 1.0
    color_C = _color(appearance, generator)
    return Scene(
        x_T=(generator.uniform(0, size) + dx * speed * t_T) % size,
        y_T=(generator.uniform(0, size) + dy * speed * t_T) % size,
        radius_T=scale * _MIN_RADIUS * (_MAX_RADIUS / _MIN_RADIUS) ** phase_T,
        angle_T=generator.uniform(0, 2 * math.pi) + spin * turn * t_T,
        shake_T2=np.rint(_tremble(num_frames, generator) * scale).astype(np.int64),
        shape=str(generator.choice(SHAPES)),
        color_TC=np.tile(color_C, (num_frames, 1)),
        texture=(int(generator.integers(4)), float(generator.uniform(0.15, 0.5))),
        background_HWC=_background(size, generator),
        light_T=np.ones(num_frames, np.float32),
    )


def lit_for(scene: Scene, num_frames: int, generator: np.random.Generator) -> Scene:
    """The same scene with the light on for ``num_frames`` frames on end.

    In the dark the background is a third as bright, and the object has a colour drawn anew in every
    frame, so that a frame's colour says something only where the light is on.
    """
    length = len(scene.x_T)
    start = int(generator.integers(length - num_frames + 1))
    lit_T = (np.arange(length) >= start) & (np.arange(length) < start + num_frames)
    any_TC = np.stack([_color(str(generator.choice(APPEARANCES)), generator) for _ in lit_T])
    return replace(
        scene,
        color_TC=np.where(lit_T[:, None], scene.color_TC, any_TC),
        light_T=np.where(lit_T, 1.0, 1 / 3).astype(np.float32),
    )


def in_turn(scene: Scene, order: str, generator: np.random.Generator) -> Scene:
    """The same scene with an object that changes its colour once, about half-way.

    Args:
        scene: the scene.
        order: one of ``ORDERS``, such as ``red_green``.
        generator: of the moment, the middle fifth of the video, and the shades.
    """
    length = len(scene.x_T)
    first_C, second_C = (_color(name, generator) for name in order.split("_"))
    late_T = np.arange(length) >= round(length * generator.uniform(0.4, 0.6))
    return replace(scene, color_TC=np.where(late_T[:, None], second_C, first_C))


def at_centre(scene: Scene, size: int, generator: np.random.Generator) -> Scene:
    """The same motion by a smaller object that keeps to the middle half of the frame."""
    return _confined(scene, (0.5, 0.5), size, generator)


def distractor(nth: int, num_frames: int, size: int, generator: np.random.Generator) -> Scene:
    """Another object, of any motion and colour, that keeps to a place at the frame's border."""
    motion, appearance = str(generator.choice(MOTIONS)), str(generator.choice(APPEARANCES))
    scene = draw_scene(motion, appearance, num_frames, size, generator)
    return _confined(scene, DISTRACTOR_PLACES[nth], size, generator)


def _confined(
    scene: Scene, centre: tuple[float, float], size: int, generator: np.random.Generator
) -> Scene:
    """Half as large, on a torus a quarter as wide around ``centre`` (y, x in frame sides)."""
    shift_2 = generator.uniform(0, size, size=2)
    row, column = (size * (c - 0.125) for c in centre)
    return replace(
        scene,
        x_T=(scene.x_T + shift_2[0]) % (size / 4) + column,
        y_T=(scene.y_T + shift_2[1]) % (size / 4) + row,
        radius_T=scene.radius_T / 2,
    )


def _color(appearance: str, generator: np.random.Generator) -> np.ndarray:
    """A colour of that name, float32 RGB 0..1."""
    hue = (_HUES[appearance] + generator.uniform(-10, 10)) / 360 % 1.0
    rgb = colorsys.hsv_to_rgb(hue, generator.uniform(0.65, 1.0), generator.uniform(0.7, 1.0))
    return np.array(rgb, np.float32)


def render(scene: Scene, *others: Scene) -> np.ndarray:
    """Pixels of a scene, uint8 T H W 3; the objects of ``others`` are drawn over it."""
    size, num_frames = scene.background_HWC.shape[0], len(scene.x_T)
    frames_THWC = np.empty((num_frames, size, size, 3), np.uint8)
    for t in range(num_frames):
        shake_2 = scene.shake_T2[t]
        back_HWC = np.roll(scene.background_HWC, tuple(shake_2), axis=(0, 1))
        mixed_HWC = back_HWC * scene.light_T[t]
        for one in (scene, *others):
            mixed_HWC = _paint(mixed_HWC, one, t, shake_2)
        frames_THWC[t] = np.clip(mixed_HWC * 255 + 0.5, 0, 255).astype(np.uint8)
    return frames_THWC


def _paint(back_HWC: np.ndarray, scene: Scene, t: int, shake_2: np.ndarray) -> np.ndarray:
    """A picture with the scene's object at frame ``t`` over it."""
    size = len(back_HWC)
    y_H1, x_1W = np.mgrid[0:size, 0:1].astype(np.float32)[0], np.arange(size, dtype=np.float32)
    shake_y, shake_x = shake_2
    # the shorter way round the torus, from the centre to each pixel
    dx_HW = (x_1W[None] - scene.x_T[t] - shake_x + size / 2) % size - size / 2 + 0 * y_H1
    dy_HW = (y_H1 - scene.y_T[t] - shake_y + size / 2) % size - size / 2 + 0 * x_1W[None]
    cos, sin = math.cos(scene.angle_T[t]), math.sin(scene.angle_T[t])
    radius = scene.radius_T[t]
    u_HW, v_HW = (cos * dx_HW + sin * dy_HW) / radius, (-sin * dx_HW + cos * dy_HW) / radius
    alpha_HW = np.clip(0.5 - _distance(scene.shape, u_HW, v_HW) * radius, 0, 1)
    shade_HW = 1 - scene.texture[1] * _pattern(scene.texture[0], u_HW, v_HW)
    object_HWC = scene.color_TC[t] * shade_HW[..., None]
    return back_HWC + alpha_HW[..., None] * (object_HWC - back_HWC)


def sing(sound: str, num_seconds: float, generator: np.random.Generator) -> np.ndarray:
    """The sound of a clip, float32 samples in -1..1; pitch, loudness and noise vary."""
    t_L = np.arange(round(num_seconds * SAMPLE_RATE)) / SAMPLE_RATE
    share_L = t_L / num_seconds
    base = generator.uniform(250, 600)  # Hz
    pitch_L: np.ndarray = np.full_like(t_L, base)
    loud_L: np.ndarray = np.ones_like(t_L)
    noise = generator.normal(size=len(t_L))
    if sound in ("rising", "falling"):
        octaves = generator.uniform(1.2, 2.0)
        pitch_L = base * 2 ** (octaves * (share_L if sound == "rising" else 1 - share_L))
    elif sound in ("step_up", "step_down"):
        late_L = share_L > generator.uniform(0.4, 0.6)
        pitch_L = base * 2.0 ** (late_L if sound == "step_up" else ~late_L)
    elif sound in ("fast_pulse", "slow_pulse"):
        rate = generator.uniform(7, 10) if sound == "fast_pulse" else generator.uniform(1.5, 3)
        loud_L = ((t_L * rate + generator.uniform()) % 1 < 0.5).astype(float)
    elif sound == "warble":
        pitch_L = base * 2 ** (0.5 * np.sin(2 * np.pi * generator.uniform(3, 5) * t_L))
    tone_L = np.sin(2 * np.pi * np.cumsum(pitch_L) / SAMPLE_RATE + generator.uniform(0, 2 * np.pi))
    if sound == "hiss":
        tone_L = 0.5 * noise
    mixed_L = generator.uniform(0.2, 0.7) * loud_L * tone_L + generator.uniform(0, 0.03) * noise
    return np.clip(mixed_L, -1, 1).astype(np.float32)


def _tremble(num_frames: int, generator: np.random.Generator) -> np.ndarray:
    """A slow random sway of about a pixel: T x 2."""
    steps_T2 = generator.normal(scale=0.5, size=(num_frames, 2))
    sway_T2 = np.zeros_like(steps_T2)
    for t in range(1, num_frames):
        sway_T2[t] = 0.9 * sway_T2[t - 1] + steps_T2[t]
    return sway_T2


def _background(size: int, generator: np.random.Generator) -> np.ndarray:
    """A smooth coloured pattern that repeats at the borders, float32 H W 3."""
    y_HW, x_HW = np.mgrid[0:size, 0:size] / size * 2 * np.pi
    color_C = generator.uniform(0.15, 0.6, size=3)
    back_HWC = np.broadcast_to(color_C, (size, size, 3)).copy()
    for _ in range(5):
        kx, ky = generator.integers(-4, 5, size=2)
        wave_HW = np.cos(kx * x_HW + ky * y_HW + generator.uniform(0, 2 * np.pi))
        back_HWC += wave_HW[..., None] * generator.uniform(-0.09, 0.09, size=3)
    return np.clip(back_HWC, 0, 1).astype(np.float32)


def _distance(shape: str, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Signed distance to a shape of about unit size, negative inside; none looks alike turned."""

    def box(left: float, right: float, top: float, bottom: float) -> np.ndarray:
        return np.maximum.reduce([left - u, u - right, top - v, v - bottom])

    if shape == "triangle":
        return np.maximum.reduce([-0.6 - v, 0.8 * u + 0.6 * v - 0.55, -0.8 * u + 0.6 * v - 0.55])
    if shape == "bar":
        return box(-1.0, 0.7, -0.3, 0.3)
    if shape == "angle":
        return np.minimum(box(-0.8, -0.2, -0.9, 0.8), box(-0.8, 0.7, 0.3, 0.8))
    if shape == "arrow":
        head = np.maximum.reduce([-v, 0.75 * u + 0.66 * v - 0.6, -0.75 * u + 0.66 * v - 0.6])
        return np.minimum(head, box(-0.25, 0.25, -0.9, 0.1))
    return np.maximum(np.hypot(u, v) - 0.9, v - 0.1)


def _pattern(kind: int, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """0..1 over the object: plain, stripes, squares, or dots."""
    if kind == 0:
        return np.zeros_like(u)
    if kind == 1:
        return (np.sin(9 * u) > 0).astype(np.float32)
    if kind == 2:
        return (np.sin(8 * u) * np.sin(8 * v) > 0).astype(np.float32)
    return (np.cos(9 * u) + np.cos(9 * v) > 0.8).astype(np.float32)


def write_pictures(folder: Path, pattern: str, frames_THWC: np.ndarray, first: int = 0) -> None:
    """Frames as numbered pictures.

    Args:
        folder: made where it is missing.
        pattern: of the names, ``img_%05d.jpg``.
        frames_THWC: uint8, RGB.
        first: number of the first picture.
    """
    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    for number, frame_HWC in enumerate(frames_THWC, start=first):
        Image.fromarray(frame_HWC).save(folder / (pattern % number), quality=95)
