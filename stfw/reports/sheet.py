"""The page of ``stfw data browse``: contact sheets of samples beside their source frames."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stfw.reports.document import document
from stfw.reports.html import escape, paragraph

COLOUR, WIDTH = (255, 96, 0), 2  # of the boxes
SMALL = 80  # pixels; smaller pictures are kept without loss
SHOWN = 112  # pixels of height on the page, where there is room
CSS = """
main { max-width: 1400px; }
.film { display: flex; gap: 4px; margin: 2px 0 10px; align-items: flex-start; }
.film figure { margin: 0; text-align: center; flex: 0 1 auto; min-width: 0; }
.film .small { image-rendering: pixelated; }
.film figcaption { font-size: 11px; line-height: 1.5; }
.film > span { flex: 0 0 76px; font-size: 13px; color: var(--soft); overflow-wrap: anywhere; }
h3 { margin: 14px 0 6px; }
"""


@dataclass(frozen=True)
class Seen:
    """What one stream shows of a clip.

    Attributes:
        content: pictures, uint8 T C H W; or sound, float32 M L; None: the video lacks the stream.
        numbers: of the frames in the file.
    """

    content: np.ndarray | None
    numbers: list[int]


@dataclass(frozen=True)
class Clip:
    """One clip of a sample.

    Attributes:
        title: which one.
        numbers: of the source frames.
        source_THWC: the frames themselves, uint8.
        boxes: quadrangles in their pixels, 4 2, (x, y).
        mirrored: whether the model sees them mirrored.
        streams: name to what the model sees.
    """

    title: str
    numbers: list[int]
    source_THWC: np.ndarray
    boxes: list[np.ndarray]
    mirrored: bool
    streams: dict[str, Seen]


@dataclass(frozen=True)
class Row:
    """One video.

    Attributes:
        video_id: its name.
        label: its class names.
        about: in words; where it cannot be read, why.
        clips: of its sample.
    """

    video_id: str
    label: str
    about: str
    clips: list[Clip]


def sheet_page(name: str, split: str, num_videos: int, rows: Sequence[Row]) -> str:
    """The page's HTML.

    Args:
        name: of the run that would see this.
        split: the videos are from.
        num_videos: of the split.
        rows: the videos shown.
    """
    text = f"{len(rows)} of {num_videos} {split} videos, as the model will see them. "
    text += "Boxes show what a sample was cut from; numbers are those of frames in the file."
    header = f'<p class="soft">browse</p><h1>{escape(name)}</h1>{paragraph(text, "soft")}'
    sections = {f"{row.label}: {row.video_id}": _video(row) for row in rows}
    return document(f"browse {name}", header, sections, CSS)


def _video(row: Row) -> str:
    return paragraph(row.about, "soft") + "".join(_clip(clip) for clip in row.clips)


def _clip(clip: Clip) -> str:
    title = clip.title + (", mirrored" if clip.mirrored else "")
    source = [_boxed(frame_HWC, clip.boxes) for frame_HWC in clip.source_THWC]
    films = _film("source", source, clip.numbers)
    for name, seen in clip.streams.items():
        if seen.content is None:
            films += f'<div class="film"><span>{escape(name)}</span>not in this video</div>'
        elif seen.content.ndim == 2:
            films += _film(name, [spectrogram(seen.content)], [])
        else:
            films += _film(name, [picture(x_CHW) for x_CHW in seen.content], seen.numbers)
    return f"<h3>{escape(title)}</h3>{films}"


def _film(name: str, pictures: Sequence[np.ndarray], numbers: Sequence[int]) -> str:
    captions = [str(number) for number in numbers] or [""] * len(pictures)
    figures = "".join(
        f'<figure><img src="{data_uri(picture_HWC)}" alt="{escape(name)} {caption}" '
        f'class="{"small" if is_small(picture_HWC) else ""}" '
        f'style="width: {SHOWN * picture_HWC.shape[1] / picture_HWC.shape[0]:.0f}px">'
        f"<figcaption>{caption}</figcaption></figure>"
        for picture_HWC, caption in zip(pictures, captions, strict=True)
    )
    return f'<div class="film"><span>{escape(name)}</span>{figures}</div>'


def picture(x_CHW: np.ndarray) -> np.ndarray:
    """A picture of any number of channels as RGB: uint8 H W 3.

    Three channels are colours; two are motion, whose direction is the hue and whose speed the
    depth; of others the first is shown in gray.
    """
    if len(x_CHW) == 3:
        return np.ascontiguousarray(x_CHW.transpose(1, 2, 0))
    if len(x_CHW) == 2:
        return _motion(x_CHW)
    return np.repeat(x_CHW[0][..., None], 3, axis=2)


def _motion(x_2HW: np.ndarray) -> np.ndarray:
    from matplotlib.colors import hsv_to_rgb

    dx, dy = x_2HW.astype(np.float64) - 127.5
    speed = np.hypot(dx, dy)
    depth = np.clip(speed / max(8.0, float(np.percentile(speed, 99))), 0, 1)
    hue = (np.arctan2(dy, dx) / (2 * np.pi)) % 1.0
    return (hsv_to_rgb(np.stack([hue, depth, np.ones_like(hue)], axis=-1)) * 255).astype(np.uint8)


def spectrogram(x_ML: np.ndarray) -> np.ndarray:
    """A log-mel picture with low tones at the bottom: uint8 M L 3."""
    from matplotlib import colormaps

    low, high = float(x_ML.min()), float(x_ML.max())
    share_ML = (x_ML[::-1] - low) / max(high - low, 1e-6)
    return (colormaps["magma"](share_ML)[..., :3] * 255).astype(np.uint8)


def _boxed(frame_HWC: np.ndarray, boxes: Sequence[np.ndarray]) -> np.ndarray:
    from PIL import Image, ImageDraw

    image = Image.fromarray(frame_HWC)
    draw = ImageDraw.Draw(image)
    limit = np.array([image.width - 1, image.height - 1])
    for box_42 in boxes:
        points = [tuple(point) for point in np.minimum(box_42, limit).tolist()]
        draw.line([*points, points[0]], COLOUR, WIDTH)
    return np.asarray(image)


def is_small(picture_HWC: np.ndarray) -> bool:
    """Whether a picture has so few pixels that each of them counts."""
    return min(picture_HWC.shape[:2]) <= SMALL


def data_uri(picture_HWC: np.ndarray) -> str:
    """A picture inside the page."""
    from PIL import Image

    file = io.BytesIO()
    kind = "png" if is_small(picture_HWC) else "jpeg"
    Image.fromarray(picture_HWC).save(file, kind, quality=88)
    return f"data:image/{kind};base64," + base64.b64encode(file.getvalue()).decode()
