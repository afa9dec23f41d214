"""An application on Dapr's public Python SDK, led step by step.

Each line of the input names a step, as JSON `{"step": NAME, "arguments": {…}}`; each gets one line
of output, `{"ok": RESULT}` or `{"error": TEXT, "code": NAME}`. So whoever leads it can kill a
plugin between two steps. DAPR_GRPC_ENDPOINT and DAPR_HTTP_ENDPOINT say where the runtime is.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import grpc
from dapr.clients import DaprClient
from dapr.clients.exceptions import DaprGrpcError
from dapr.clients.grpc._request import TransactionalStateOperation, TransactionOperationType
from dapr.clients.grpc._state import Concurrency, Consistency, StateItem, StateOptions


class Application:
    """One client and one store; every public method is a step."""

    def __init__(self, client: DaprClient, store: str) -> None:
        self._client = client
        self._store = store

    def save(
        self, key: str, value: str, etag: str | None = None, first_write: bool = False
    ) -> None:
        concurrency = Concurrency.first_write if first_write else Concurrency.last_write
        options = StateOptions(concurrency=concurrency, consistency=Consistency.strong)
        self._client.save_state(self._store, key, value, etag=etag, options=options)

    def save_bulk(self, values: dict[str, str]) -> None:
        states = [StateItem(key=key, value=value) for key, value in values.items()]
        self._client.save_bulk_state(self._store, states)

    def get(self, key: str) -> dict[str, str]:
        state = self._client.get_state(self._store, key)
        return {"value": state.text(), "etag": state.etag}

    def get_bulk(self, keys: list[str]) -> dict[str, str]:
        items = self._client.get_bulk_state(self._store, keys).items
        return {item.key: item.error or item.text() for item in items}

    def transact(self, set: dict[str, str], delete: list[str]) -> None:
        operations = [
            TransactionalStateOperation(
                key=key, data=value, operation_type=TransactionOperationType.upsert
            )
            for key, value in set.items()
        ]
        operations += [
            TransactionalStateOperation(key=key, operation_type=TransactionOperationType.delete)
            for key in delete
        ]
        self._client.execute_state_transaction(self._store, operations)

    def query(self, query: dict[str, Any]) -> dict[str, Any]:
        found = self._client.query_state(self._store, json.dumps(query))
        values = {item.key: json.loads(item.value) for item in found.results}
        return {"values": values, "keys": [item.key for item in found.results], "token": found.token}

    def delete(self, key: str, etag: str | None = None) -> None:
        self._client.delete_state(self._store, key, etag=etag)

    def metadata(self) -> dict[str, list[str]]:
        """The components and their capabilities."""
        components = self._client.get_metadata().registered_components
        return {component.name: list(component.capabilities) for component in components}


def answer(application: Application, line: str) -> dict[str, Any]:
    asked = json.loads(line)
    try:
        return {"ok": getattr(application, asked["step"])(**asked["arguments"])}
    except DaprGrpcError as error:
        return {"error": error.details(), "code": error.code().name}
    except grpc.RpcError as error:
        return {"error": error.details(), "code": error.code().name}


def main() -> None:
    [store] = sys.argv[1:]
    # The SDK says on the standard output why the runtime is not there yet; that is not an answer.
    answers, sys.stdout = sys.stdout, sys.stderr
    with DaprClient() as client:
        application = Application(client, store)
        print(json.dumps({"ok": "connected"}), file=answers, flush=True)
        for line in sys.stdin:
            print(json.dumps(answer(application, line)), file=answers, flush=True)


if __name__ == "__main__":
    main()
