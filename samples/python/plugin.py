"""The program: makes the socket, serves until it is told to stop."""

from __future__ import annotations

import logging
import os
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import grpc
from dapr.proto.components.v1 import state_pb2, state_pb2_grpc
from grpc_reflection.v1alpha import reflection

from service import StateService
from stores import Stores

# The socket's name gives the component type its name: `state.python-sqlite`.
NAME = "python-sqlite"
DEFAULT_SOCKET_FOLDER = "/tmp/dapr-components-sockets"
# SQLite writes one at a time, so more threads only help readers.
THREADS = 8
# Calls under way when SIGTERM comes get this long, in seconds.
STOP_GRACE = 5.0
MAX_MESSAGE_BYTES = 16 * 1024 * 1024

SERVICES = ("StateStore", "TransactionalStateStore", "QueriableStateStore")


def socket_path() -> Path:
    """Where the runtime looks for this plugin, free of what an earlier process has left there."""
    folder = Path(os.environ.get("DAPR_COMPONENTS_SOCKETS_FOLDER") or DEFAULT_SOCKET_FOLDER)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{NAME}.sock"
    path.unlink(missing_ok=True)
    return path


def build_server(stores: Stores) -> grpc.Server:
    """A server of the three state services and of reflection, by which they are found."""
    server = grpc.server(
        ThreadPoolExecutor(max_workers=THREADS),
        options=[("grpc.max_receive_message_length", MAX_MESSAGE_BYTES)],
    )
    service = StateService(stores)
    state_pb2_grpc.add_StateStoreServicer_to_server(service, server)
    state_pb2_grpc.add_TransactionalStateStoreServicer_to_server(service, server)
    state_pb2_grpc.add_QueriableStateStoreServicer_to_server(service, server)

    listed = [state_pb2.DESCRIPTOR.services_by_name[name].full_name for name in SERVICES]
    reflection.enable_server_reflection([*listed, reflection.SERVICE_NAME], server)
    return server


def main() -> None:
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(message)s")
    stopping = Event()
    for asked in (signal.SIGTERM, signal.SIGINT):
        signal.signal(asked, lambda *_: stopping.set())

    stores = Stores()
    server = build_server(stores)
    path = socket_path()
    server.add_insecure_port(f"unix:{path}")
    server.start()
    logging.info("serving on %s", path)

    stopping.wait()
    logging.info("stopping")
    server.stop(STOP_GRACE).wait()
    stores.close()


if __name__ == "__main__":
    main()
