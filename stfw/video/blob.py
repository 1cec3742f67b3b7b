"""Videos that are no files of their own: parts of tar shards, on this disk or behind a URL."""

from __future__ import annotations

import time
from functools import cache
from typing import Any

from stfw.types import VideoError

Span = tuple[int, int]
ATTEMPTS = 3
TIMEOUT_SEC = 60.0  # of one attempt over HTTP
WAIT_SEC = 0.5  # before the second attempt; doubled for the third
_last: tuple[tuple[str, Span], bytes] | None = None


def is_remote(path: str) -> bool:
    """Whether a path is a URL, ``https://...``, ``s3://...``."""
    return "://" in path


def read_blob(path: str, span: Span) -> bytes:
    """The bytes of a video in a shard.

    The last ones are kept, so that looking at a video and then decoding it reads it once.

    Args:
        path: a local path, or a URL that fsspec knows.
        span: (first byte, number of bytes).

    Raises:
        VideoError: ``missing`` or ``open``; after three attempts where the network is in between.
    """
    global _last
    if _last is not None and _last[0] == (path, span):
        return _last[1]
    content = _read_remote(path, span) if is_remote(path) else _read_local(path, span)
    if len(content) != span[1]:
        reason = f"ends at byte {span[0] + len(content)}, the index says {span[0] + span[1]}"
        raise VideoError(path, "open", reason)
    _last = ((path, span), content)
    return content


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
    for attempt in range(1, ATTEMPTS + 1):
        try:
            system, inner = file_system(path)
            return system.cat_file(inner, span[0], span[0] + span[1])
        except FileNotFoundError as error:
            raise VideoError(path, "missing", "there is no such file") from error
        except ImportError as error:
            raise VideoError(path, "open", f'{error}; pip install "stfw[remote]"') from error
        except Exception as error:  # each protocol raises kinds of its own
            if attempt == ATTEMPTS:
                reason = f"cannot be read after {ATTEMPTS} attempts ({_say(error)})"
                raise VideoError(path, "open", reason) from error
            time.sleep(WAIT_SEC * 2 ** (attempt - 1))
    raise AssertionError


def file_system(url: str) -> tuple[Any, str]:
    """fsspec's file system for a URL, one per protocol and host, and the path in it."""
    protocol, _, rest = url.partition("://")
    host = rest.partition("/")[0] if protocol in ("http", "https") else ""
    system = _system(protocol, host)
    return system, system._strip_protocol(url) if protocol not in ("http", "https") else url


@cache
def _system(protocol: str, host: str) -> Any:
    import fsspec

    if protocol in ("http", "https"):
        from aiohttp import ClientTimeout

        return fsspec.filesystem(protocol, client_kwargs={"timeout": ClientTimeout(TIMEOUT_SEC)})
    return fsspec.filesystem(protocol)


def _say(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
