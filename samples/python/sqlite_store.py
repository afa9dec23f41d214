"""One component's state in one SQLite file.

A write is acknowledged after its commit, and SQLite syncs at each commit: what was acknowledged
survives kill -9 and a power cut. Nothing here knows of gRPC.
"""

from __future__ import annotations

import sqlite3
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock

from errors import EtagMismatch

# How long a write waits for another process that writes the same file, in seconds.
BUSY_TIMEOUT = 5.0

SCHEMA = """
CREATE TABLE IF NOT EXISTS state (
    key TEXT PRIMARY KEY,
    value BLOB NOT NULL,
    etag TEXT NOT NULL,
    content_type TEXT NOT NULL,
    expires_at REAL
);
CREATE INDEX IF NOT EXISTS expiring ON state (expires_at) WHERE expires_at IS NOT NULL;
"""


@dataclass(frozen=True)
class Entry:
    """What is stored under a key."""

    key: str
    value: bytes
    etag: str
    content_type: str
    # Unix time in seconds; None: never.
    expires_at: float | None


@dataclass(frozen=True)
class Set:
    """Stores a value."""

    key: str
    value: bytes
    # The stored value has to have it; None: any.
    etag: str | None
    # Without an etag: there must be no value yet.
    first_write: bool
    content_type: str
    # Seconds to live; None: for ever.
    ttl: float | None


@dataclass(frozen=True)
class Delete:
    """Removes a key."""

    key: str
    # As in Set.
    etag: str | None


Operation = Set | Delete


class SqliteStore:
    """An open database. Its methods may be called from any thread."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._lock = Lock()
        # Transactions are begun by hand, below.
        self._db = sqlite3.connect(
            path, timeout=BUSY_TIMEOUT, isolation_level=None, check_same_thread=False
        )
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.executescript(SCHEMA)

    def close(self) -> None:
        """Closes the file, after the call that uses it."""
        with self._lock:
            self._db.close()

    def ping(self) -> None:
        """Fails where the database cannot be read."""
        with self._lock:
            self._db.execute("SELECT 1 FROM state LIMIT 1").fetchone()

    def get(self, key: str) -> Entry | None:
        """The entry of a key, if there is one and its time is not over."""
        with self._lock:
            return self._find(key)

    def entries(self) -> list[Entry]:
        """All that is stored, by key."""
        with self._lock:
            rows = self._db.execute(
                "SELECT key, value, etag, content_type, expires_at FROM state"
                " WHERE expires_at IS NULL OR expires_at > ? ORDER BY key",
                (time.time(),),
            ).fetchall()
        return [Entry(*row) for row in rows]

    def apply(self, operations: Iterable[Operation]) -> None:
        """Carries out all operations or, if one fails, none."""
        with self._transaction():
            for operation in operations:
                self._apply(operation)

    def apply_each(self, operations: Iterable[Operation]) -> None:
        """Carries out each operation by itself; what fails does not keep the others from it.

        Raises the first failure, after all are done.
        """
        failed: EtagMismatch | None = None
        with self._transaction():
            for operation in operations:
                try:
                    self._apply(operation)
                except EtagMismatch as mismatch:
                    failed = failed or mismatch
        if failed is not None:
            raise failed

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                self._db.execute("DELETE FROM state WHERE expires_at <= ?", (time.time(),))
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def _find(self, key: str) -> Entry | None:
        row = self._db.execute(
            "SELECT key, value, etag, content_type, expires_at FROM state"
            " WHERE key = ? AND (expires_at IS NULL OR expires_at > ?)",
            (key, time.time()),
        ).fetchone()
        return None if row is None else Entry(*row)

    def _apply(self, operation: Operation) -> None:
        # The checks come before the write, so an operation that fails has changed nothing.
        self._check(operation)
        match operation:
            case Set():
                expires_at = None if operation.ttl is None else time.time() + operation.ttl
                self._db.execute(
                    "INSERT OR REPLACE INTO state (key, value, etag, content_type, expires_at)"
                    " VALUES (?, ?, ?, ?, ?)",
                    (
                        operation.key,
                        operation.value,
                        uuid.uuid4().hex,
                        operation.content_type,
                        expires_at,
                    ),
                )
            case Delete():
                self._db.execute("DELETE FROM state WHERE key = ?", (operation.key,))

    def _check(self, operation: Operation) -> None:
        first_write = isinstance(operation, Set) and operation.first_write
        if operation.etag is None and not first_write:
            return
        stored = self._find(operation.key)
        if operation.etag is None:
            if stored is not None:
                raise EtagMismatch(f"key {operation.key} exists already, and no etag was given")
        elif stored is None:
            raise EtagMismatch(f"key {operation.key} does not exist")
        elif stored.etag != operation.etag:
            raise EtagMismatch(
                f"key {operation.key} has etag {stored.etag}, not {operation.etag}"
            )
