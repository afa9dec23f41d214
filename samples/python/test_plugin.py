"""The plugin as its runtime sees it: a process behind a socket.

Run with the environment that setup.sh makes: `python -m unittest` in this folder.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import grpc
from dapr.proto.components.v1 import common_pb2, state_pb2, state_pb2_grpc
from google.protobuf import any_pb2
from google.rpc import error_details_pb2
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from grpc_status import rpc_status

HERE = Path(__file__).parent
# Far more than a start or a stop takes, in seconds.
PATIENCE = 30

FIRST_WRITE = state_pb2.StateOptions(
    concurrency=state_pb2.StateOptions.CONCURRENCY_FIRST_WRITE
)


class Plugin:
    """A running plugin and a connection to it."""

    def __init__(self, folder: Path) -> None:
        environment = {**os.environ, "DAPR_COMPONENTS_SOCKETS_FOLDER": str(folder)}
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "plugin.py")],
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        # It says so when it serves.
        for line in self.process.stderr:
            if "serving on" in line:
                break
        else:
            raise AssertionError(f"the plugin ended with {self.process.wait()}")
        self.socket = folder / "python-sqlite.sock"
        self.channel = grpc.insecure_channel(f"unix:{self.socket}")
        self.state = state_pb2_grpc.StateStoreStub(self.channel)
        self.transactional = state_pb2_grpc.TransactionalStateStoreStub(self.channel)
        self.queriable = state_pb2_grpc.QueriableStateStoreStub(self.channel)

    def end(self, asked: signal.Signals) -> int:
        self.channel.close()
        self.process.send_signal(asked)
        status = self.process.wait(PATIENCE)
        self.process.stderr.close()
        return status


def of(component: str) -> tuple[tuple[str, str], ...]:
    return (("x-component-instance", component),)


ORDERS = of("orders")


class PluginTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.plugin: Plugin | None = None
        self.addCleanup(lambda: self.plugin and self.plugin.end(signal.SIGKILL))
        self.start()

    def start(self) -> None:
        self.plugin = Plugin(self.folder)
        self.init("orders")

    def end(self, asked: signal.Signals) -> int:
        plugin, self.plugin = self.plugin, None
        return plugin.end(asked)

    def init(self, component: str) -> None:
        properties = {"database": str(self.folder / f"{component}.db")}
        request = state_pb2.InitRequest(
            metadata=common_pb2.MetadataRequest(properties=properties)
        )
        self.plugin.state.Init(request, metadata=of(component))

    def set(self, key: str, value: bytes, **rest) -> None:
        request = state_pb2.SetRequest(key=key, value=value, **rest)
        self.plugin.state.Set(request, metadata=ORDERS)

    def get(self, key: str, component: str = "orders") -> state_pb2.GetResponse:
        return self.plugin.state.Get(state_pb2.GetRequest(key=key), metadata=of(component))

    def assert_etag_mismatch(self, call) -> None:
        with self.assertRaises(grpc.RpcError) as caught:
            call()
        self.assertEqual(caught.exception.code(), grpc.StatusCode.FAILED_PRECONDITION)
        [detail] = rpc_status.from_call(caught.exception).details
        bad = error_details_pb2.BadRequest()
        self.assertTrue(detail.Unpack(bad))
        self.assertEqual([violation.field for violation in bad.field_violations], ["etag"])

    def test_reflection_lists_what_it_serves(self) -> None:
        stub = reflection_pb2_grpc.ServerReflectionStub(self.plugin.channel)
        asked = reflection_pb2.ServerReflectionRequest(list_services="")
        [answer] = stub.ServerReflectionInfo(iter([asked]))
        names = {service.name for service in answer.list_services_response.service}
        package = "dapr.proto.components.v1"
        self.assertLessEqual(
            {
                f"{package}.StateStore",
                f"{package}.TransactionalStateStore",
                f"{package}.QueriableStateStore",
            },
            names,
        )

    def test_ping_answers_before_init_and_calls_do_not(self) -> None:
        self.plugin.state.Ping(common_pb2.PingRequest())
        with self.assertRaises(grpc.RpcError) as caught:
            self.get("key", component="stranger")
        self.assertEqual(caught.exception.code(), grpc.StatusCode.FAILED_PRECONDITION)

    def test_init_without_a_database_says_what_is_missing(self) -> None:
        with self.assertRaises(grpc.RpcError) as caught:
            self.plugin.state.Init(state_pb2.InitRequest(), metadata=of("other"))
        self.assertEqual(caught.exception.code(), grpc.StatusCode.INVALID_ARGUMENT)
        self.assertIn("database", caught.exception.details())

    def test_a_second_init_keeps_the_data(self) -> None:
        self.set("key", b"value")
        self.init("orders")
        self.assertEqual(self.get("key").data, b"value")

    def test_an_acknowledged_write_survives_sigkill(self) -> None:
        self.set("key", b"\x00\xff", content_type="application/octet-stream")
        self.end(signal.SIGKILL)
        # The socket file that the dead process left is no obstacle.
        self.assertTrue((self.folder / "python-sqlite.sock").exists())
        self.start()
        entry = self.get("key")
        self.assertEqual(entry.data, b"\x00\xff")
        self.assertEqual(entry.content_type, "application/octet-stream")

    def test_sigterm_ends_it_with_status_0_and_without_a_socket(self) -> None:
        socket = self.plugin.socket
        self.assertEqual(self.end(signal.SIGTERM), 0)
        self.assertFalse(socket.exists())

    def test_each_component_has_a_database_of_its_own(self) -> None:
        self.init("carts")
        self.set("key", b"value")
        self.assertEqual(self.get("key", component="carts").data, b"")

    def test_a_missing_key_is_an_empty_answer_without_an_etag(self) -> None:
        answer = self.get("nothing")
        self.assertEqual(answer.data, b"")
        self.assertFalse(answer.HasField("etag"))

    def test_a_write_or_delete_with_another_etag_is_refused(self) -> None:
        self.set("key", b"one")
        seen = self.get("key").etag
        self.set("key", b"two", etag=seen)
        self.assert_etag_mismatch(lambda: self.set("key", b"three", etag=seen))
        delete = state_pb2.DeleteRequest(key="key", etag=seen)
        self.assert_etag_mismatch(lambda: self.plugin.state.Delete(delete, metadata=ORDERS))
        self.assertEqual(self.get("key").data, b"two")

    def test_of_two_first_writes_without_an_etag_the_second_is_refused(self) -> None:
        self.set("key", b"one", options=FIRST_WRITE)
        self.assert_etag_mismatch(lambda: self.set("key", b"two", options=FIRST_WRITE))
        self.set("key", b"three")
        self.assertEqual(self.get("key").data, b"three")

    def test_a_bulk_write_does_what_it_can(self) -> None:
        items = [
            state_pb2.SetRequest(key="one", value=b"1"),
            state_pb2.SetRequest(key="two", value=b"2", etag=state_pb2.Etag(value="stale")),
            state_pb2.SetRequest(key="three", value=b"3"),
        ]
        request = state_pb2.BulkSetRequest(items=items)
        self.assert_etag_mismatch(
            lambda: self.plugin.state.BulkSet(request, metadata=ORDERS)
        )
        keys = [state_pb2.GetRequest(key=key) for key in ("three", "two", "one")]
        answer = self.plugin.state.BulkGet(
            state_pb2.BulkGetRequest(items=keys), metadata=ORDERS
        )
        found = [(item.key, item.data) for item in answer.items]
        self.assertEqual(found, [("three", b"3"), ("two", b""), ("one", b"1")])

    def test_a_transaction_happens_as_a_whole_or_not_at_all(self) -> None:
        self.set("old", b"old")
        operation = state_pb2.TransactionalStateOperation
        both = [
            operation(set=state_pb2.SetRequest(key="new", value=b"new")),
            operation(delete=state_pb2.DeleteRequest(key="old")),
        ]
        stale = state_pb2.DeleteRequest(key="old", etag=state_pb2.Etag(value="stale"))
        refused = state_pb2.TransactionalStateRequest(
            operations=[both[0], operation(delete=stale)]
        )
        self.assert_etag_mismatch(
            lambda: self.plugin.transactional.Transact(refused, metadata=ORDERS)
        )
        self.assertEqual(self.get("new").data, b"")

        accepted = state_pb2.TransactionalStateRequest(operations=both)
        self.plugin.transactional.Transact(accepted, metadata=ORDERS)
        self.assertEqual((self.get("new").data, self.get("old").data), (b"new", b""))

    def test_a_value_with_a_time_to_live_says_when_it_ends(self) -> None:
        self.set("key", b"value", metadata={"ttlInSeconds": "100"})
        self.assertRegex(
            self.get("key").metadata["ttlExpireTime"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$"
        )

    def test_a_query_filters_sorts_and_pages(self) -> None:
        people = {
            "1": b'{"person": {"org": "A", "id": 3}, "state": "CA"}',
            "2": b'{"person": {"org": "B", "id": 1}, "state": "WA"}',
            "3": b'{"person": {"org": "A", "id": 2}, "state": "NY"}',
            "4": b"not JSON",
        }
        for key, value in people.items():
            self.set(key, value)
        condition = b'[{"IN": {"state": ["CA", "NY"]}}, {"EQ": {"person.id": 1}}]'
        query = state_pb2.Query(
            filter={"OR": any_pb2.Any(value=condition)},
            sort=[state_pb2.Sorting(key="person.id", order=state_pb2.Sorting.DESC)],
            pagination=state_pb2.Pagination(limit=2),
        )
        request = state_pb2.QueryRequest(query=query)
        first = self.plugin.queriable.Query(request, metadata=ORDERS)
        self.assertEqual([item.key for item in first.items], ["1", "3"])

        request.query.pagination.token = first.token
        second = self.plugin.queriable.Query(request, metadata=ORDERS)
        self.assertEqual([item.key for item in second.items], ["2"])
        self.assertEqual(second.token, "")

    def test_a_query_with_an_unknown_operator_is_refused(self) -> None:
        query = state_pb2.Query(filter={"LIKE": any_pb2.Any(value=b'{"a": "b"}')})
        self.set("key", b"{}")
        with self.assertRaises(grpc.RpcError) as caught:
            self.plugin.queriable.Query(
                state_pb2.QueryRequest(query=query), metadata=ORDERS
            )
        self.assertEqual(caught.exception.code(), grpc.StatusCode.INVALID_ARGUMENT)


if __name__ == "__main__":
    unittest.main()
