"""What readers share: folders and the videos in them."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import NoReturn

from stfw.types import VIDEO_SUFFIXES, UserError, nearest

logger = logging.getLogger("stfw")


def existing_folder(path: str, key: str) -> Path:
    """The absolute path of a folder that the option ``key`` names.

    Raises:
        UserError: nothing there, or not a folder.
    """
    if not str(path):
        raise UserError(f"{key} is empty; give a folder")
    folder = Path(os.path.abspath(os.path.expanduser(path)))
    if folder.is_dir():
        return folder
    if os.path.lexists(folder):
        raise UserError(f"{key}={path} is not a folder; give the folder that holds the videos")
    missing = folder
    while not missing.parent.exists():
        missing = missing.parent
    near = nearest(missing.name, os.listdir(missing.parent)) if missing.parent.is_dir() else ""
    raise UserError(f"{key}={path}: there is no {missing}{near or '; give an existing folder'}")


def subfolders(folder: Path) -> list[str]:
    """Names of the folders in a folder, sorted; hidden ones are left out."""
    try:
        with os.scandir(folder) as entries:
            return sorted(e.name for e in entries if e.is_dir() and not e.name.startswith("."))
    except OSError as error:
        _refuse(error)


def find_videos(folder: Path) -> list[str]:
    """Video files at any depth below a folder, known by their suffix; none is opened.

    Links are followed, every real folder is entered once, hidden files and folders are left out.

    Returns:
        Paths relative to ``folder``, with ``/``, sorted.

    Raises:
        UserError: a folder cannot be read, or a name is not valid Unicode.
    """
    found: list[str] = []
    entered: set[str] = set()
    for place, folders, files in os.walk(folder, followlinks=True, onerror=_refuse):
        real = os.path.realpath(place)
        if real in entered:  # a link back to where we have been
            folders.clear()
            continue
        entered.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        below = Path(place).relative_to(folder)
        for name in files:
            if os.path.splitext(name)[1].lower() in VIDEO_SUFFIXES and not name.startswith("."):
                found.append((below / name).as_posix())
    for name in found:
        if any("\ud800" <= letter <= "\udfff" for letter in name):
            raise UserError(f"{folder}: the file name {name!r} is not valid Unicode; rename it")
    return sorted(found)


def _refuse(error: OSError) -> NoReturn:
    raise UserError(
        f"{error.filename}: the folder cannot be read ({error.strerror}); mend its permissions"
    ) from error
