"""Which component has which store.

One process serves every component of its type. Each call names its component in the metadata
`x-component-instance`; each component has a database of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from threading import Lock

from errors import InvalidRequest, NotInitialised
from sqlite_store import SqliteStore


class Stores:
    """The stores of this process, by component."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._stores: dict[str, SqliteStore] = {}

    def open(self, component: str, properties: Mapping[str, str]) -> None:
        """Opens a component's store.

        Said again for the same component, as after a reconnect, with the same database, it keeps
        the open one.
        """
        database = properties.get("database", "")
        if not database:
            raise InvalidRequest("metadata `database` is missing: the path of the SQLite file")
        with self._lock:
            present = self._stores.get(component)
            if present is not None and present.path == database:
                return
            self._stores[component] = SqliteStore(database)
        if present is not None:
            present.close()

    def of(self, component: str) -> SqliteStore:
        """The store of a component that has been opened."""
        with self._lock:
            store = self._stores.get(component)
        if store is None:
            raise NotInitialised(f"component `{component}` has not been initialised")
        return store

    def close(self) -> None:
        """Closes all of them."""
        with self._lock:
            stores = list(self._stores.values())
            self._stores.clear()
        for store in stores:
            store.close()
