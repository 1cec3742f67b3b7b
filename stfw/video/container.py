"""Opening a video: one thread, nothing larger than the cap, no way out to other files."""

from __future__ import annotations

import io
import os
from typing import Any

import av

from stfw.types import VideoError
from stfw.video.blob import Span, read_blob

MAX_PIXELS = 8192 * 8192  # beyond 8K; a file of a few hundred kilobytes can claim far more


def open_video(path: str, span: Span | None = None, strict: bool = False) -> tuple[Any, Any]:
    """Opens a video for decoding in one thread: (container, video stream).

    Args:
        path: a local file; with ``span`` also a URL.
        span: (first byte, number of bytes) of the video within a shard.
        strict: the decoder refuses what it finds damaged; otherwise it fills small holes.

    Raises:
        VideoError: ``missing``, ``open``, ``no_video`` or ``too_large``.
    """
    limits = {"max_pixels": str(MAX_PIXELS)}  # also holds back the decoder that guesses the format
    source, protocols = media_source(path, span)
    try:
        container = av.open(source, options={"protocol_whitelist": protocols, **limits})
    except (av.FFmpegError, ValueError) as error:
        if not span and not os.path.isfile(path):
            reason = "is not a file" if os.path.exists(path) else "there is no such file"
            raise VideoError(path, "missing", reason) from error
        raise VideoError(path, "open", f"not a video that can be read ({say(error)})") from error
    try:
        stream = _first_video(path, container)
        stream.thread_type = "NONE"  # worker processes are the parallelism
        stream.codec_context.thread_count = 1
        detection = {"err_detect": "explode"} if strict else {}
        # again the limit: a larger picture may come later in the file
        stream.codec_context.options = limits | detection
    except BaseException:
        container.close()
        raise
    return container, stream


def media_source(path: str, span: Span | None) -> tuple[Any, str]:
    """What ``av.open`` takes for a video, and the protocols that its content may use.

    Raises:
        VideoError: the bytes of a span cannot be read.
    """
    if span is not None:
        return io.BytesIO(read_blob(path, span)), "none"  # a playlist in a shard opens no file
    # `file:` and the list keep a crafted file or name from reaching the network
    return "file:" + os.path.abspath(path), "file"


def _first_video(path: str, container: Any) -> Any:
    cover = av.stream.Disposition.attached_pic
    streams = [s for s in container.streams.video if not s.disposition & cover]
    if not streams:
        raise VideoError(path, "no_video", "has no video track")
    decoder = streams[0].codec_context
    if decoder is None:
        raise VideoError(path, "no_video", "its video codec is not known here")
    if decoder.width * decoder.height > MAX_PIXELS:
        size = f"{decoder.width}x{decoder.height}"
        raise VideoError(path, "too_large", f"{size} pixels exceed the cap of {MAX_PIXELS}")
    return streams[0]


def say(error: BaseException) -> str:
    """What an error of the media library says, on one line."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(str(text).split())
