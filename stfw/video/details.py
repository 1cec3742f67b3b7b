"""What a scan tells of a file beyond its index: container, codecs, whether all of it decodes."""

from __future__ import annotations

import os
from typing import Any, NamedTuple

import av

from stfw.video.container import open_video
from stfw.video.images import is_pattern
from stfw.video.scan import VideoIndex


class Decoded(NamedTuple):
    """What came of decoding a whole file.

    Attributes:
        num_decoded: frames that the decoder gave.
        num_corrupt: those of them that it marks as damaged, and packets that it refused: also those
            with damage that it could have filled in.
    """

    num_decoded: int
    num_corrupt: int


def details(path: str, span: tuple[int, int] | None = None) -> dict[str, Any]:
    """Container, codecs and pixel format of a file, by the names that FFmpeg has for them.

    Returns:
        ``container``, ``codec``, ``pixel_format``, ``audio_codec`` (None: no sound).

    Raises:
        VideoError: it cannot be opened as a video.
    """
    if is_pattern(path) and not os.path.lexists(path):
        names = ("container", "codec", "pixel_format", "audio_codec")
        return dict(zip(names, ("pictures", "pictures", "", None), strict=True))
    container, stream = open_video(path, span)
    with container:
        sounds = [s.codec_context for s in container.streams.audio]
        return {
            "container": container.format.name,
            "codec": stream.codec_context.codec.canonical_name,
            "pixel_format": stream.codec_context.pix_fmt or "",
            "audio_codec": _codec_name(sounds[0]) if sounds else None,
        }


def decode_all(index: VideoIndex) -> Decoded:
    """Decodes all frames without keeping any, past whatever damage there is.

    Raises:
        VideoError: it cannot be opened as a video.
    """
    if index.mode == "images":
        return _decode_images(index)
    container, stream = open_video(index.info.path, index.span, strict=True)
    num_decoded = num_corrupt = 0
    with container:
        packets = container.demux(stream)
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                return Decoded(num_decoded, num_corrupt)
            except av.FFmpegError:  # the container itself is damaged; nothing behind it is reached
                return Decoded(num_decoded, num_corrupt + 1)
            try:
                frames = packet.decode()
            except av.FFmpegError:
                num_corrupt += 1
                continue
            num_decoded += len(frames)
            num_corrupt += sum(frame.is_corrupt for frame in frames)


def _decode_images(index: VideoIndex) -> Decoded:
    import numpy as np

    from stfw.types import VideoError
    from stfw.video.images import decode_images

    num_corrupt = 0
    for number in range(index.info.num_frames):
        try:
            decode_images(index, np.array([number]), None)
        except VideoError:
            num_corrupt += 1
    return Decoded(index.info.num_frames - num_corrupt, num_corrupt)


def _codec_name(decoder: Any) -> str:
    return decoder.codec.canonical_name if decoder is not None else "unknown"
