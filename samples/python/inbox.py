"""Messages that wait on disk, one file each, until they are acknowledged.

A message is there as a whole or not at all, whatever kills the process: it is written elsewhere,
synced, and then linked to where it is looked for. Names sort by age.
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Iterable
from pathlib import Path

# Before a draft is thrown away as one that a kill has cut off, in seconds.
DRAFT_AGE = 60.0

_numbers = itertools.count()


class Inbox:
    """A folder of waiting messages."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder

    def names(self) -> list[str]:
        """What waits, the oldest first."""
        return sorted(entry.name for entry in os.scandir(self._folder) if entry.is_file())

    def read(self, name: str) -> bytes | None:
        """A message; none where it has been acknowledged meanwhile."""
        try:
            return (self._folder / name).read_bytes()
        except FileNotFoundError:
            return None

    def remove(self, name: str) -> None:
        """Forgets an acknowledged message."""
        # The name comes over the wire; it names a file here and nothing else.
        (self._folder / Path(name).name).unlink(missing_ok=True)

    def _link(self, draft: Path, name: str) -> None:
        os.link(draft, self._folder / name)
        _sync(self._folder)


def put(drafts: Path, inboxes: Iterable[Inbox], messages: Iterable[bytes]) -> None:
    """Puts messages into inboxes, on disk when it returns. `drafts` is on the same file system."""
    drafts.mkdir(parents=True, exist_ok=True)
    inboxes = list(inboxes)
    for message in messages:
        name = f"{time.time_ns():020d}-{os.getpid()}-{next(_numbers)}"
        draft = drafts / name
        with draft.open("wb") as file:
            file.write(message)
            file.flush()
            os.fsync(file.fileno())
        for inbox in inboxes:
            inbox._link(draft, name)
        draft.unlink()


def clear_drafts(drafts: Path) -> None:
    """Throws away what killed processes have left unfinished; nobody was told that it is there."""
    if not drafts.is_dir():
        return
    for entry in os.scandir(drafts):
        if time.time() - entry.stat().st_mtime > DRAFT_AGE:
            Path(entry.path).unlink(missing_ok=True)


def _sync(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
