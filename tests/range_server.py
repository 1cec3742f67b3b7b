"""A real HTTP server on loopback that sends parts of files, as object stores do."""

from __future__ import annotations

import contextlib
import http.server
import re
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any


class Server(http.server.ThreadingHTTPServer):
    """Serves a folder.

    Attributes:
        requested: path and number of bytes of every answer.
        failures: statuses with which the next requests are answered instead.
        cuts: after so many bytes the next answers break off.
        knows_ranges: False sends whole files, whatever part is asked for.
    """

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
        self.requested: list[tuple[str, int]] = []
        self.failures: list[int] = []
        self.cuts: list[int] = []
        self.knows_ranges = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(http.server.SimpleHTTPRequestHandler):
    def do_GET(self) -> None:
        server: Any = self.server
        if server.failures:
            server.requested.append((self.path, 0))
            self.send_error(server.failures.pop(0))
            return
        path = Path(self.translate_path(self.path))
        if not path.is_file():
            self.send_error(404)
            return
        content = path.read_bytes()
        part = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if part and server.knows_ranges:
            first, last = int(part[1]), min(int(part[2] or len(content)), len(content) - 1)
            if first > last:
                self.send_error(416)
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(content)}")
            content = content[first : last + 1]
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        if server.cuts:
            content = content[: server.cuts.pop(0)]
        server.requested.append((self.path, len(content)))  # before the reader can go on
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[Server]:
    """The server of a folder, at work in a thread."""
    with Server(folder) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
