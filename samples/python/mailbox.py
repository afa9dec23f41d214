"""A binding plugin, in and out: a folder of letters, `bindings.python-mailbox`.

The operation `create` puts a letter there, `list` tells which wait. As an input binding it gives
each letter to the application, and keeps it until the application has taken it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import grpc
from dapr.proto.components.v1 import bindings_pb2, bindings_pb2_grpc, common_pb2

from delivery import Bell, deliver
from inbox import Inbox, clear_drafts, put
from serving import component_of, run

NAME = "python-mailbox"


@dataclass(frozen=True)
class Acknowledgement:
    name: str
    refused: bool


class Mailboxes:
    """The folder of each component of this process."""

    def __init__(self) -> None:
        self._folders: dict[str, Path] = {}
        self.bell = Bell()

    async def open(self, request, context: grpc.aio.ServicerContext) -> None:
        """A component is opened by either contract, or by both."""
        folder = request.metadata.properties.get("folder", "")
        if not folder:
            await context.abort(
                grpc.StatusCode.INVALID_ARGUMENT,
                "metadata `folder` is missing: where the letters are kept",
            )
        self._folders[component_of(context)] = Path(folder)
        clear_drafts(Path(folder) / "drafts")

    async def folder(self, context: grpc.aio.ServicerContext) -> Path:
        component = component_of(context)
        folder = self._folders.get(component)
        if folder is None:
            await context.abort(
                grpc.StatusCode.FAILED_PRECONDITION,
                f"component `{component}` has not been initialised",
            )
        return folder


class Slot(bindings_pb2_grpc.OutputBindingServicer):
    """Where letters go in: an output binding."""

    def __init__(self, mailboxes: Mailboxes) -> None:
        self._mailboxes = mailboxes

    async def Init(self, request, context):
        await self._mailboxes.open(request, context)
        return bindings_pb2.OutputBindingInitResponse()

    async def Ping(self, request, context):
        return common_pb2.PingResponse()

    async def ListOperations(self, request, context):
        return bindings_pb2.ListOperationsResponse(operations=["create", "list"])

    async def Invoke(self, request, context):
        folder = await self._mailboxes.folder(context)
        inbox = Inbox(folder / "letters")
        if request.operation == "create":
            letter = bindings_pb2.ReadResponse(data=request.data, metadata=request.metadata)
            contents = [letter.SerializeToString()]
            await asyncio.to_thread(put, folder / "drafts", [inbox], contents)
            self._mailboxes.bell.ring()
            return bindings_pb2.InvokeResponse()
        if request.operation == "list":
            names = json.dumps(inbox.names()).encode()
            return bindings_pb2.InvokeResponse(data=names, content_type="application/json")
        await context.abort(
            grpc.StatusCode.INVALID_ARGUMENT,
            f"operation `{request.operation}` is not one of create, list",
        )


class Door(bindings_pb2_grpc.InputBindingServicer):
    """Where letters come out: an input binding."""

    def __init__(self, mailboxes: Mailboxes) -> None:
        self._mailboxes = mailboxes

    async def Init(self, request, context):
        await self._mailboxes.open(request, context)
        return bindings_pb2.InputBindingInitResponse()

    async def Ping(self, request, context):
        return common_pb2.PingResponse()

    async def Read(self, requests, context):
        folder = await self._mailboxes.folder(context)
        inbox = Inbox(folder / "letters")
        acknowledgements = _acknowledgements(requests)
        async for name, content in deliver(inbox, acknowledgements, self._mailboxes.bell):
            letter = bindings_pb2.ReadResponse.FromString(content)
            letter.message_id = name
            yield letter


async def _acknowledgements(requests) -> AsyncIterator[Acknowledgement]:
    async for request in requests:
        if request.message_id:
            yield Acknowledgement(request.message_id, request.HasField("response_error"))


def _add(server: grpc.aio.Server) -> None:
    mailboxes = Mailboxes()
    bindings_pb2_grpc.add_InputBindingServicer_to_server(Door(mailboxes), server)
    bindings_pb2_grpc.add_OutputBindingServicer_to_server(Slot(mailboxes), server)


if __name__ == "__main__":
    services = ("InputBinding", "OutputBinding")
    run(NAME, [bindings_pb2.DESCRIPTOR.services_by_name[name].full_name for name in services], _add)
