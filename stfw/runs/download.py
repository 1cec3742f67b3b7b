"""A file from the network: goes on where it was cut, and is checked before it has its name."""

from __future__ import annotations

import fcntl
import os
import time
import urllib.error
import urllib.request
from http.client import HTTPException
from pathlib import Path
from typing import BinaryIO

from stfw.runs.checkpoint_io import file_digest

CHUNK = 1 << 20
TIMEOUT_SEC = 60.0
MOST_FAILURES = 5  # one after the other, without a byte between
PAUSE_SEC = 1.0  # after the first of them; then longer


def download(url: str, target: Path, digest: str) -> None:
    """Fetches ``url`` unless it is there; what arrived waits in ``<target>.part`` for the next try.

    Processes that want the same file wait for the first of them.

    Args:
        url: http, https or file.
        target: the file; its folder is made.
        digest: how its SHA-256 begins.

    Raises:
        OSError: it cannot be fetched or written, or its digest is another.
    """
    if not target.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f"{target.name}.part")
        with part.open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if not target.is_file():  # nobody was faster
                _complete(url, file)
                file.flush()
                try:
                    _check(part, digest)
                except OSError:
                    file.truncate(0)  # the next time begins anew
                    raise
                os.replace(part, target)
                return
    _check(target, digest)


def _complete(url: str, file: BinaryIO) -> None:
    """Asks for what is missing until all is there."""
    failures = 0
    while True:
        before = _size(file)
        try:
            if _receive(url, file):
                return
            problem: Exception = OSError("the connection ended too early")
        except urllib.error.HTTPError as error:
            if error.code == 416 and before:  # nothing is missing, or it was of another file
                return
            if error.code < 500:
                raise
            problem = error
        except (OSError, HTTPException) as error:
            problem = error
        there = _size(file)
        failures = 0 if there > before else failures + 1
        if failures == MOST_FAILURES:
            kept = f"; {there:,} bytes are kept, and it goes on there" if there else ""
            raise OSError(f"{problem}{kept}") from problem
        time.sleep(failures * PAUSE_SEC)


def _receive(url: str, file: BinaryIO) -> bool:
    """Appends one answer; says whether the file is complete."""
    there = _size(file)
    headers = {"User-Agent": "stfw"} | ({"Range": f"bytes={there}-"} if there else {})
    with urllib.request.urlopen(
        urllib.request.Request(url, headers=headers), timeout=TIMEOUT_SEC
    ) as answer:
        if there and answer.status != 206:  # the server sends whole files only
            file.truncate(0)
        length = answer.headers.get("Content-Length")
        received = 0
        while chunk := answer.read(CHUNK):
            file.write(chunk)
            received += len(chunk)
    return length is None or received == int(length)


def _size(file: BinaryIO) -> int:
    file.flush()
    return os.fstat(file.fileno()).st_size


def _check(path: Path, digest: str) -> None:
    found = file_digest(path)
    if not found.startswith(digest):
        raise OSError(f"the SHA-256 of {path} begins with {found[:8]} and not with {digest}")
