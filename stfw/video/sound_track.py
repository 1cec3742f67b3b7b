"""The audio track of a video on its way into an mp4: copied, or encoded anew as AAC."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import av
import numpy as np

from stfw.types import VideoError
from stfw.video.container import open_video, say
from stfw.video.scan import VideoIndex

# sound that goes into mp4 as it is; elsewhere than in these containers it is packed otherwise
_COPIED_CODECS = {"aac", "ac3", "alac", "eac3", "flac", "mp3", "opus"}
_COPIED_FROM = {"mov", "mp4", "matroska", "webm"}
_AAC_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000)
_GAP_SEC = 0.1  # time stamps this far from where sound follows on sound mean a real gap


class SoundTrack:
    """The first audio track of a source; where there is none, everything here does nothing.

    Args:
        index: of the source.

    Raises:
        VideoError: the source cannot be opened, or its sound has an unknown codec.
    """

    def __init__(self, index: VideoIndex) -> None:
        self.path, self.duration_sec = index.info.path, index.info.duration_sec
        self.container: Any = None
        self.sample_rate = 1
        if not index.info.has_audio:
            return
        self.container, _ = open_video(self.path, index.span)
        self.source = self.container.streams.audio[0]
        decoder = self.source.codec_context
        if decoder is None or not decoder.sample_rate:
            self.container.close()
            raise VideoError(self.path, "decode", "the codec of its sound is not known here")
        formats = set(self.container.format.name.split(","))
        self.copies = decoder.codec.canonical_name in _COPIED_CODECS and bool(
            formats & _COPIED_FROM
        )
        self.sample_rate = decoder.sample_rate
        if not self.copies:
            self.sample_rate = min(_AAC_RATES, key=lambda rate: abs(rate - decoder.sample_rate))

    def add_to(self, out: Any) -> None:
        """Adds a track to the result, before its first packet is written."""
        if self.container is None:
            return
        if self.copies:
            self.track = out.add_stream_from_template(self.source)
        else:
            layout = "mono" if self.source.codec_context.layout.nb_channels == 1 else "stereo"
            self.track = out.add_stream("aac", rate=self.sample_rate, layout=layout)

    def packets(self) -> Iterator[Any]:
        """What to write, in order of time.

        Raises:
            VideoError: the sound does not decode.
        """
        if self.container is None:
            return
        try:
            if self.copies:
                for packet in self.container.demux(self.source):
                    if packet.size and packet.pts is not None:
                        packet.stream = self.track
                        yield packet
                return
            for frame in self._numbered():
                yield from self.track.encode(frame)
            yield from self.track.encode(None)
        except av.FFmpegError as error:
            reason = f"its sound does not decode ({say(error)})"
            raise VideoError(self.path, "decode", reason) from error

    def _numbered(self) -> Iterator[Any]:
        """Frames of sound, one behind the other.

        Time stamps may be out by some samples, and then must not move any; where they leave a real
        gap there is silence, and where they go back what is said twice is left out.
        """
        place: int | None = None  # of the next sample
        for frame in self.container.decode(self.source):
            rate = frame.sample_rate
            if place is None:
                place = round((frame.time or 0.0) * rate)
            stated = place if frame.time is None else round(frame.time * rate)
            if abs(stated - place) > _GAP_SEC * rate:
                if stated < place:
                    continue
                # a stamp from nowhere does not make hours of silence
                missing = min(stated - place, round(self.duration_sec * rate))
                yield _silence(frame, place, missing)
                place += missing
            frame.pts, frame.time_base = place, Fraction(1, rate)
            yield frame
            place += frame.samples

    def __enter__(self) -> SoundTrack:
        return self

    def __exit__(self, *_: object) -> None:
        if self.container is not None:
            self.container.close()


def _silence(like: Any, place: int, num_samples: int) -> Any:
    """A frame of sound without any, of the format of another."""
    known, channels = like.to_ndarray(), like.layout.nb_channels
    rows, columns = (channels, 1) if like.format.is_planar else (1, channels)
    zero = 128 if known.dtype == np.uint8 else 0
    samples = np.full((rows, num_samples * columns), zero, known.dtype)
    frame = av.AudioFrame.from_ndarray(samples, like.format.name, like.layout.name)
    frame.sample_rate, frame.pts = like.sample_rate, place
    frame.time_base = Fraction(1, like.sample_rate)
    return frame
