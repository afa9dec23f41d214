"""A publish and subscribe plugin: messages in folders, `pubsub.python-post`.

    <folder>/topics/<topic>/<consumer>/…     what waits for a consumer, a file a message
    <folder>/drafts/…                        what is being written

A consumer is there from its first subscription on, also while it is away. What is published before
is not for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import grpc
from dapr.proto.components.v1 import common_pb2, pubsub_pb2, pubsub_pb2_grpc

from delivery import Bell, deliver
from inbox import Inbox, clear_drafts, put
from serving import component_of, run

NAME = "python-post"


@dataclass(frozen=True)
class Acknowledgement:
    name: str
    refused: bool


@dataclass(frozen=True)
class Office:
    """A component: its folder, and in whose name it subscribes."""

    folder: Path
    consumer: str

    def inbox(self, topic: str) -> Inbox:
        return Inbox(self._topic(topic) / _encoded(self.consumer))

    def inboxes(self, topic: str) -> list[Inbox]:
        """Those of everybody who has subscribed."""
        folder = self._topic(topic)
        return [Inbox(path) for path in folder.iterdir()] if folder.is_dir() else []

    @property
    def drafts(self) -> Path:
        return self.folder / "drafts"

    def _topic(self, topic: str) -> Path:
        return self.folder / "topics" / _encoded(topic)


class Post(pubsub_pb2_grpc.PubSubServicer):
    """The contract, for all components of this process."""

    def __init__(self) -> None:
        self._offices: dict[str, Office] = {}
        self._bell = Bell()

    async def Init(self, request, context):
        properties = request.metadata.properties
        if not properties.get("folder"):
            await context.abort(
                grpc.StatusCode.INVALID_ARGUMENT,
                "metadata `folder` is missing: where the messages are kept",
            )
        consumer = properties.get("consumerID") or "consumer"
        office = Office(Path(properties["folder"]), consumer)
        clear_drafts(office.drafts)
        self._offices[component_of(context)] = office
        return pubsub_pb2.PubSubInitResponse()

    async def Features(self, request, context):
        return common_pb2.FeaturesResponse(features=["BULK_PUBSUB"])

    async def Ping(self, request, context):
        return common_pb2.PingResponse()

    async def Publish(self, request, context):
        office = await self._office(context)
        message = pubsub_pb2.PullMessagesResponse(
            data=request.data,
            topic_name=request.topic,
            metadata=request.metadata,
            content_type=request.content_type,
        )
        await self._put(office, request.topic, [message])
        return pubsub_pb2.PublishResponse()

    async def BulkPublish(self, request, context):
        office = await self._office(context)
        messages = [
            pubsub_pb2.PullMessagesResponse(
                data=entry.event,
                topic_name=request.topic,
                metadata={**request.metadata, **entry.metadata},
                content_type=entry.content_type,
            )
            for entry in request.entries
        ]
        await self._put(office, request.topic, messages)
        return pubsub_pb2.BulkPublishResponse()

    async def PullMessages(self, requests, context):
        # The first message names the topic, the others acknowledge.
        first = await anext(aiter(requests), None)
        if first is None:
            return
        office = await self._office(context)
        inbox = office.inbox(first.topic.name)
        # From now on messages wait for this consumer, which the caller can see by the headers.
        await context.send_initial_metadata(())
        async for name, content in deliver(inbox, _acknowledgements(requests), self._bell):
            message = pubsub_pb2.PullMessagesResponse.FromString(content)
            message.id = name
            yield message

    async def _put(self, office, topic, messages) -> None:
        contents = [message.SerializeToString() for message in messages]
        await asyncio.to_thread(put, office.drafts, office.inboxes(topic), contents)
        self._bell.ring()

    async def _office(self, context: grpc.aio.ServicerContext) -> Office:
        component = component_of(context)
        office = self._offices.get(component)
        if office is None:
            await context.abort(
                grpc.StatusCode.FAILED_PRECONDITION,
                f"component `{component}` has not been initialised",
            )
        return office


def _encoded(name: str) -> str:
    """A name of one folder, whatever is in it."""
    return quote(name, safe="").replace(".", "%2E")


async def _acknowledgements(requests) -> AsyncIterator[Acknowledgement]:
    async for request in requests:
        if request.ack_message_id:
            yield Acknowledgement(request.ack_message_id, request.HasField("ack_error"))


if __name__ == "__main__":
    run(
        NAME,
        [pubsub_pb2.DESCRIPTOR.services_by_name["PubSub"].full_name],
        lambda server: pubsub_pb2_grpc.add_PubSubServicer_to_server(Post(), server),
    )
