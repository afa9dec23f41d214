"""What every plugin on asyncio has: the socket and its folder, reflection, a clean stop."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import grpc
from grpc_reflection.v1alpha import reflection

DEFAULT_SOCKET_FOLDER = "/tmp/dapr-components-sockets"
# Calls under way when SIGTERM comes get this long, in seconds.
STOP_GRACE = 2.0
MAX_MESSAGE_BYTES = 16 * 1024 * 1024


def run(name: str, services: list[str], add: Callable[[grpc.aio.Server], None]) -> None:
    """Serves on `<folder>/<name>.sock` until it is told to stop.

    The name of the socket is that of the component type: `pubsub.<name>` and so on. By its
    reflection the runtime finds the services; `add` adds them to the server.
    """
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(message)s")
    asyncio.run(_serve(name, services, add))


async def _serve(name: str, services: list[str], add: Callable[[grpc.aio.Server], None]) -> None:
    stopping = asyncio.Event()
    for asked in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(asked, stopping.set)

    server = grpc.aio.server(options=[("grpc.max_receive_message_length", MAX_MESSAGE_BYTES)])
    add(server)
    reflection.enable_server_reflection([*services, reflection.SERVICE_NAME], server)
    path = _socket_path(name)
    server.add_insecure_port(f"unix:{path}")
    await server.start()
    logging.info("serving on %s", path)

    await stopping.wait()
    logging.info("stopping")
    await server.stop(STOP_GRACE)


def _socket_path(name: str) -> Path:
    """Where the runtime looks for this plugin, free of what an earlier process has left there."""
    folder = Path(os.environ.get("DAPR_COMPONENTS_SOCKETS_FOLDER") or DEFAULT_SOCKET_FOLDER)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.sock"
    path.unlink(missing_ok=True)
    return path


def component_of(context: grpc.aio.ServicerContext) -> str:
    """The component that the call is for; empty where the caller names none."""
    for name, value in context.invocation_metadata() or ():
        if name == "x-component-instance":
            return value
    return ""
