"""Dapr's state store contract over `SqliteStore`: messages in, messages out, nothing else."""

from __future__ import annotations

import json
import math
from datetime import datetime, timezone
from typing import Any

import grpc
from dapr.proto.components.v1 import common_pb2, state_pb2, state_pb2_grpc

from errors import InvalidRequest, answering
from query import SortKey, search
from sqlite_store import Delete, Entry, Operation, Set, SqliteStore
from stores import Stores

FEATURES = ("ETAG", "TRANSACTIONAL", "QUERY_API", "TTL")


class StateService(
    state_pb2_grpc.StateStoreServicer,
    state_pb2_grpc.TransactionalStateStoreServicer,
    state_pb2_grpc.QueriableStateStoreServicer,
):
    """The three services of the contract in one object."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores

    def _store(self, context: grpc.ServicerContext) -> SqliteStore:
        return self._stores.of(_component(context))

    def Init(self, request, context):
        with answering(context):
            self._stores.open(_component(context), request.metadata.properties)
        return state_pb2.InitResponse()

    def Features(self, request, context):
        return common_pb2.FeaturesResponse(features=FEATURES)

    def Ping(self, request, context):
        # Comes without a component and before any Init, when the runtime asks whether the process
        # is there.
        component = _component(context)
        if component:
            with answering(context):
                self._stores.of(component).ping()
        return common_pb2.PingResponse()

    def Get(self, request, context):
        with answering(context):
            entry = self._store(context).get(request.key)
        if entry is None:
            return state_pb2.GetResponse()
        return state_pb2.GetResponse(
            data=entry.value,
            etag=state_pb2.Etag(value=entry.etag),
            metadata=_entry_metadata(entry),
            content_type=entry.content_type,
        )

    def Set(self, request, context):
        with answering(context):
            self._store(context).apply([_set(request)])
        return state_pb2.SetResponse()

    def Delete(self, request, context):
        with answering(context):
            self._store(context).apply([_delete(request)])
        return state_pb2.DeleteResponse()

    def BulkGet(self, request, context):
        items = []
        with answering(context):
            store = self._store(context)
            for item in request.items:
                entry = store.get(item.key)
                if entry is None:
                    items.append(state_pb2.BulkStateItem(key=item.key))
                else:
                    items.append(
                        state_pb2.BulkStateItem(
                            key=entry.key,
                            data=entry.value,
                            etag=state_pb2.Etag(value=entry.etag),
                            metadata=_entry_metadata(entry),
                            content_type=entry.content_type,
                        )
                    )
        return state_pb2.BulkGetResponse(items=items)

    def BulkSet(self, request, context):
        with answering(context):
            self._store(context).apply_each([_set(item) for item in request.items])
        return state_pb2.BulkSetResponse()

    def BulkDelete(self, request, context):
        with answering(context):
            self._store(context).apply_each([_delete(item) for item in request.items])
        return state_pb2.BulkDeleteResponse()

    def Transact(self, request, context):
        with answering(context):
            self._store(context).apply([_operation(item) for item in request.operations])
        return state_pb2.TransactionalStateResponse()

    def Query(self, request, context):
        query = request.query
        with answering(context):
            entries, token = search(
                self._store(context).entries(),
                {name: _operand(name, operand.value) for name, operand in query.filter.items()},
                [SortKey(key.key, key.order == state_pb2.Sorting.DESC) for key in query.sort],
                query.pagination.limit,
                query.pagination.token,
            )
        items = [
            state_pb2.QueryItem(
                key=entry.key,
                data=entry.value,
                etag=state_pb2.Etag(value=entry.etag),
                content_type=entry.content_type,
            )
            for entry in entries
        ]
        return state_pb2.QueryResponse(items=items, token=token)


def _component(context: grpc.ServicerContext) -> str:
    """The component that the call is for; empty where the caller names none."""
    for name, value in context.invocation_metadata():
        if name == "x-component-instance":
            return value
    return ""


def _etag(request: state_pb2.SetRequest | state_pb2.DeleteRequest) -> str | None:
    # An empty etag counts as none, as in Dapr's own stores.
    return request.etag.value or None


def _set(request: state_pb2.SetRequest) -> Set:
    return Set(
        key=request.key,
        value=request.value,
        etag=_etag(request),
        first_write=request.options.concurrency == state_pb2.StateOptions.CONCURRENCY_FIRST_WRITE,
        content_type=request.content_type,
        ttl=_ttl(request.metadata.get("ttlInSeconds", "")),
    )


def _delete(request: state_pb2.DeleteRequest) -> Delete:
    return Delete(key=request.key, etag=_etag(request))


def _operation(operation: state_pb2.TransactionalStateOperation) -> Operation:
    match operation.WhichOneof("request"):
        case "set":
            return _set(operation.set)
        case "delete":
            return _delete(operation.delete)
        case _:
            raise InvalidRequest("an operation of the transaction is empty")


def _ttl(text: str) -> float | None:
    """Seconds to live; nothing, 0 and -1 mean for ever."""
    if not text:
        return None
    try:
        seconds = int(text)
    except ValueError:
        raise InvalidRequest(f"ttlInSeconds `{text}` is no number") from None
    return float(seconds) if seconds > 0 else None


def _operand(operator: str, text: bytes) -> Any:
    """An operand comes as its JSON text in an Any without a type."""
    try:
        return json.loads(text)
    except ValueError:
        raise InvalidRequest(f"the operand of {operator} is not JSON") from None


def _entry_metadata(entry: Entry) -> dict[str, str]:
    if entry.expires_at is None:
        return {}
    # Whole seconds, rounded up: a value is never there past the time told.
    at = datetime.fromtimestamp(math.ceil(entry.expires_at), timezone.utc)
    return {"ttlExpireTime": at.strftime("%Y-%m-%dT%H:%M:%SZ")}
