"""The plugins for messages as their runtime sees them: processes behind sockets."""

from __future__ import annotations

import queue
import signal
import unittest

import grpc
from dapr.proto.components.v1 import (
    bindings_pb2,
    bindings_pb2_grpc,
    common_pb2,
    pubsub_pb2,
    pubsub_pb2_grpc,
)

from process_test import INSTANCE, PATIENCE, ProcessTest


class Stream:
    """The requests of a stream, sent one by one, and its answers."""

    def __init__(self, call, first=None) -> None:
        self._requests: queue.SimpleQueue = queue.SimpleQueue()
        if first is not None:
            self._requests.put(first)
        self.answers = call(iter(self._requests.get, None), metadata=INSTANCE, timeout=PATIENCE)

    def send(self, request) -> None:
        self._requests.put(request)

    def end(self) -> None:
        """Says that no more requests come, upon which the plugin ends its side."""
        self._requests.put(None)
        assert list(self.answers) == []

    def drop(self) -> None:
        self._requests.put(None)
        self.answers.cancel()


class PostTest(ProcessTest):
    program = "post"

    def init(self, properties: dict[str, str]) -> None:
        metadata = common_pb2.MetadataRequest(properties=properties)
        self.stub.Init(pubsub_pb2.PubSubInitRequest(metadata=metadata), metadata=INSTANCE)

    @property
    def stub(self) -> pubsub_pb2_grpc.PubSubStub:
        return pubsub_pb2_grpc.PubSubStub(self.process.channel)

    def publish(self, topic: str, data: bytes, **metadata: str) -> None:
        request = pubsub_pb2.PublishRequest(
            topic=topic, data=data, content_type="text/plain", metadata=metadata
        )
        self.stub.Publish(request, metadata=INSTANCE)

    def pull(self, topic: str) -> Stream:
        first = pubsub_pb2.PullMessagesRequest(topic=pubsub_pb2.Topic(name=topic))
        pull = Stream(self.stub.PullMessages, first)
        # They come when the subscription is there.
        pull.answers.initial_metadata()
        return pull

    def acknowledge(self, pull: Stream, message, error: str | None = None) -> None:
        request = pubsub_pb2.PullMessagesRequest(ack_message_id=message.id)
        if error is not None:
            request.ack_error.message = error
        pull.send(request)

    def test_reflection_lists_what_it_serves(self) -> None:
        self.assertIn("dapr.proto.components.v1.PubSub", self.process.services())

    def test_a_message_is_delivered_as_it_was_published(self) -> None:
        pull = self.pull("orders/new")
        self.publish("orders/new", b"\x00\xff", tint="red")
        message = next(pull.answers)
        self.assertEqual(message.data, b"\x00\xff")
        self.assertEqual(message.topic_name, "orders/new")
        self.assertEqual(message.content_type, "text/plain")
        self.assertEqual(dict(message.metadata), {"tint": "red"})
        self.acknowledge(pull, message)
        pull.end()

    def test_what_was_published_while_nobody_pulled_comes_in_order(self) -> None:
        pull = self.pull("orders")
        self.publish("orders", b"0")
        self.acknowledge(pull, next(pull.answers))
        pull.end()
        for number in range(1, 5):
            self.publish("orders", str(number).encode())
        pull = self.pull("orders")
        got = [next(pull.answers).data for _ in range(4)]
        self.assertEqual(got, [b"1", b"2", b"3", b"4"])
        pull.drop()

    def test_what_was_not_acknowledged_survives_sigkill(self) -> None:
        pull = self.pull("orders")
        self.publish("orders", b"one")
        self.publish("orders", b"two")
        one = next(pull.answers)
        next(pull.answers)
        self.acknowledge(pull, one)
        # The plugin ends the stream when it has read all of it.
        pull.end()
        self.end(signal.SIGKILL)
        self.start()
        pull = self.pull("orders")
        self.assertEqual(next(pull.answers).data, b"two")
        pull.drop()

    def test_a_refused_message_comes_again(self) -> None:
        pull = self.pull("orders")
        self.publish("orders", b"one")
        refused = next(pull.answers)
        self.acknowledge(pull, refused, error="not now")
        again = next(pull.answers)
        self.assertEqual((again.id, again.data), (refused.id, b"one"))
        self.acknowledge(pull, again)
        pull.end()

    def test_several_are_published_at_once(self) -> None:
        pull = self.pull("orders")
        self.publish("orders", b"0")
        self.acknowledge(pull, next(pull.answers))
        entries = [
            pubsub_pb2.BulkMessageEntry(entry_id=str(number), event=str(number).encode())
            for number in range(1, 4)
        ]
        request = pubsub_pb2.BulkPublishRequest(topic="orders", entries=entries)
        answer = self.stub.BulkPublish(request, metadata=INSTANCE)
        self.assertEqual(len(answer.failed_entries), 0)
        got = [next(pull.answers).data for _ in range(3)]
        self.assertEqual(got, [b"1", b"2", b"3"])
        pull.drop()

    def test_sigterm_ends_it_with_status_0_although_somebody_pulls(self) -> None:
        pull = self.pull("orders")
        self.publish("orders", b"one")
        next(pull.answers)
        socket = self.process.socket
        self.assertEqual(self.end(signal.SIGTERM), 0)
        self.assertFalse(socket.exists())
        pull.send(None)

    def test_init_without_a_folder_says_what_is_missing(self) -> None:
        with self.assertRaises(grpc.RpcError) as caught:
            self.init({})
        self.assertEqual(caught.exception.code(), grpc.StatusCode.INVALID_ARGUMENT)
        self.assertIn("folder", caught.exception.details())


class MailboxTest(ProcessTest):
    program = "mailbox"

    def init(self, properties: dict[str, str]) -> None:
        metadata = common_pb2.MetadataRequest(properties=properties)
        request = bindings_pb2.InputBindingInitRequest(metadata=metadata)
        self.door.Init(request, metadata=INSTANCE)
        request = bindings_pb2.OutputBindingInitRequest(metadata=metadata)
        self.slot.Init(request, metadata=INSTANCE)

    @property
    def door(self) -> bindings_pb2_grpc.InputBindingStub:
        return bindings_pb2_grpc.InputBindingStub(self.process.channel)

    @property
    def slot(self) -> bindings_pb2_grpc.OutputBindingStub:
        return bindings_pb2_grpc.OutputBindingStub(self.process.channel)

    def invoke(self, operation: str, data: bytes = b"", **metadata: str):
        request = bindings_pb2.InvokeRequest(operation=operation, data=data, metadata=metadata)
        return self.slot.Invoke(request, metadata=INSTANCE)

    def test_reflection_lists_both_directions(self) -> None:
        package = "dapr.proto.components.v1"
        both = {f"{package}.InputBinding", f"{package}.OutputBinding"}
        self.assertLessEqual(both, self.process.services())

    def test_a_letter_goes_in_and_comes_out_until_it_is_taken(self) -> None:
        self.invoke("create", b"\x00\xff", to="ada")
        read = Stream(self.door.Read)
        letter = next(read.answers)
        self.assertEqual((letter.data, dict(letter.metadata)), (b"\x00\xff", {"to": "ada"}))
        read.drop()

        self.end(signal.SIGKILL)
        self.start()
        read = Stream(self.door.Read)
        letter = next(read.answers)
        self.assertEqual(letter.data, b"\x00\xff")
        read.send(bindings_pb2.ReadRequest(message_id=letter.message_id))
        read.end()
        self.assertEqual(self.invoke("list").data, b"[]")

    def test_a_refused_letter_comes_again(self) -> None:
        self.invoke("create", b"one")
        read = Stream(self.door.Read)
        letter = next(read.answers)
        refusal = bindings_pb2.ReadRequest(message_id=letter.message_id)
        refusal.response_error.message = "not now"
        read.send(refusal)
        self.assertEqual(next(read.answers).data, b"one")
        read.drop()

    def test_an_unknown_operation_is_refused(self) -> None:
        self.assertEqual(
            list(
                self.slot.ListOperations(
                    bindings_pb2.ListOperationsRequest(), metadata=INSTANCE
                ).operations
            ),
            ["create", "list"],
        )
        with self.assertRaises(grpc.RpcError) as caught:
            self.invoke("burn")
        self.assertEqual(caught.exception.code(), grpc.StatusCode.INVALID_ARGUMENT)


if __name__ == "__main__":
    unittest.main()
