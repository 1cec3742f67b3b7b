"""Videos that are no files of their own: parts of tar shards, on this disk or behind a URL."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from typing import Any

from stfw.types import VideoError

Span = tuple[int, int]
ATTEMPTS = 3
STALL_SEC = 60.0  # an HTTP server that sends nothing for so long counts as gone
WAIT_SEC = 0.5  # before the second attempt; doubled for the third
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*(://|::)")
_PASSING = (408, 425, 429)  # answers of 400 to 499 that another attempt may change
_last: tuple[Any, bytes] | None = None


def is_remote(path: str) -> bool:
    """Whether a path is a URL, ``https://...``, ``s3://...``, ``simplecache::https://...``."""
    return _URL.match(path) is not None


def read_blob(path: str, span: Span) -> bytes:
    """The bytes of a video in a shard.

    The last ones are kept, so that looking at a video and then decoding it reads it once.

    Args:
        path: a local path, or a URL that fsspec knows.
        span: (first byte, number of bytes).

    Raises:
        VideoError: ``missing`` or ``open``; after three attempts where the network is in between.
    """
    global _last  # one for all: two would double what a worker holds
    key = (path, span, None if is_remote(path) else _state(path))
    last = _last  # another thread may set it meanwhile
    if last is not None and last[0] == key:
        return last[1]
    content = _read_remote(path, span) if is_remote(path) else _read_local(path, span)
    if len(content) > span[1]:
        raise VideoError(path, "open", "its server sends whole files only, not parts (HTTP Range)")
    if len(content) < span[1]:
        reason = f"ends at byte {span[0] + len(content)}, the index says {span[0] + span[1]}"
        raise VideoError(path, "open", reason)
    _last = (key, content)
    return content


def whole(url: str) -> Span:
    """The span of all of a file, by which a video behind a URL of its own is read.

    Names without a span never reach the network: a table may hold names that its user did not see.

    Args:
        url: for example ``https://example.org/clip.mp4``.

    Raises:
        VideoError: as for ``read_blob``, or where the server tells no size.
    """
    size = _ask(url, lambda system, inner: system.info(inner)["size"])
    if size is None:
        raise VideoError(url, "open", "its server does not tell its size")
    return 0, int(size)


def file_system(url: str) -> tuple[Any, str]:
    """fsspec's file system for a URL, and the path in it.

    Raises:
        ImportError: what the protocol needs is not installed.
        ValueError: there is no such protocol.
    """
    from fsspec.core import url_to_fs

    options: dict[str, Any] = {}
    if _is_http(url):
        from aiohttp import ClientTimeout

        limits = ClientTimeout(total=None, sock_connect=STALL_SEC, sock_read=STALL_SEC)
        options["client_kwargs"] = {"timeout": limits}
    # not kept here: fsspec keeps them itself, and makes new ones in a forked worker
    return url_to_fs(url, **options)


def say_missing(url: str, error: ImportError) -> str:
    """What to install for a URL."""
    extra = '; pip install "stfw[remote]"' if "http" in url.partition("://")[0] else ""
    return f"{error}{extra}"


def _state(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None  # told where it is opened
    return status.st_size, status.st_mtime_ns


def _read_local(path: str, span: Span) -> bytes:
    try:
        with open(path, "rb") as file:
            file.seek(span[0])
            return file.read(span[1])
    except FileNotFoundError as error:
        raise VideoError(path, "missing", "there is no such file") from error
    except OSError as error:
        raise VideoError(path, "open", f"cannot be read ({error.strerror})") from error


def _read_remote(path: str, span: Span) -> bytes:
    return _ask(path, lambda system, inner: system.cat_file(inner, span[0], span[0] + span[1]))


def _ask(url: str, question: Callable[[Any, str], Any]) -> Any:
    """Calls ``question(system, path)``, again where the network may be at fault."""
    try:
        system, inner = file_system(url)
    except ImportError as error:
        raise VideoError(url, "open", say_missing(url, error)) from error
    except ValueError as error:
        raise VideoError(url, "open", f"no URL that can be read ({_say(error)})") from error
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return question(system, inner)
        except Exception as error:  # each protocol raises kinds of its own
            fault: BaseException = error
            if _is_http(url) and isinstance(error, FileNotFoundError) and error.__cause__:
                fault = error.__cause__  # asked for a size, fsspec calls every failure this
            status = getattr(fault, "status", None)
            if status == 404 or isinstance(fault, FileNotFoundError):
                raise VideoError(url, "missing", "there is no such file") from error
            refused = isinstance(status, int) and 400 <= status < 500 and status not in _PASSING
            if refused or isinstance(fault, PermissionError):
                raise VideoError(url, "open", f"cannot be read ({_say(fault)})") from error
            if attempt == ATTEMPTS:
                reason = f"cannot be read after {ATTEMPTS} attempts ({_say(fault)})"
                raise VideoError(url, "open", reason) from error
        time.sleep(WAIT_SEC * 2 ** (attempt - 1))
    raise AssertionError("the last attempt returns or raises")


def _is_http(url: str) -> bool:
    return url.startswith(("http://", "https://"))


def _say(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
