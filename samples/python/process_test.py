"""A plugin as its runtime sees it: a process behind a socket.

PLUGIN_POST, PLUGIN_MAILBOX and PLUGIN_VAULT are commands of plugins in other languages that are to
do the same as these, as JSON lists.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

HERE = Path(__file__).parent
# Far more than a start, a stop or a delivery takes, in seconds.
PATIENCE = 30
INSTANCE = (("x-component-instance", "one"),)


class Process:
    """A running plugin and a connection to it."""

    def __init__(self, program: str, folder: Path) -> None:
        environment = {**os.environ, "DAPR_COMPONENTS_SOCKETS_FOLDER": str(folder)}
        self._process = subprocess.Popen(
            _command(program),
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        # It says so when it serves.
        for line in self._process.stderr:
            if "serving on" in line:
                self.socket = Path(line.split()[-1])
                break
        else:
            raise AssertionError(f"the plugin ended with {self._process.wait()}")
        self.channel = grpc.insecure_channel(f"unix:{self.socket}")

    def end(self, asked: signal.Signals) -> int:
        self.channel.close()
        self._process.send_signal(asked)
        status = self._process.wait(PATIENCE)
        self._process.stderr.close()
        return status

    def services(self) -> set[str]:
        stub = reflection_pb2_grpc.ServerReflectionStub(self.channel)
        asked = reflection_pb2.ServerReflectionRequest(list_services="")
        [answer] = stub.ServerReflectionInfo(iter([asked]))
        return {service.name for service in answer.list_services_response.service}


def _command(program: str) -> list[str]:
    told = os.environ.get(f"PLUGIN_{program.upper()}")
    return json.loads(told) if told else [sys.executable, str(HERE / f"{program}.py")]


class ProcessTest(unittest.TestCase):
    program: str

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.process: Process | None = None
        self.addCleanup(lambda: self.process and self.process.end(signal.SIGKILL))
        self.start()

    def start(self) -> None:
        self.process = Process(self.program, self.folder)
        self.init({"folder": str(self.folder / "data")})

    def init(self, properties: dict[str, str]) -> None:
        raise NotImplementedError

    def end(self, asked: signal.Signals) -> int:
        process, self.process = self.process, None
        return process.end(asked)
