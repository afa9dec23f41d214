"""An application on Dapr's public Python SDK, led step by step: ../README.md tells how."""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
from typing import Any

import grpc
import uvicorn
from dapr.clients import DaprClient
from dapr.clients.exceptions import DaprGrpcError
from dapr.clients.grpc._request import TransactionalStateOperation, TransactionOperationType
from dapr.clients.grpc._state import Concurrency, Consistency, StateItem, StateOptions
from dapr.ext.fastapi import DaprApp
from dapr.ext.grpc import App, BindingRequest
from fastapi import Body, FastAPI

PATIENCE_SECONDS = 60

# What the application's server subscribes to.
SERVED_TOPIC = "served"


class Application:
    """One client and the components that it uses; every public method is a step."""

    def __init__(
        self,
        client: DaprClient,
        components: dict[str, str],
        events: queue.Queue[str],
        messages: queue.Queue[str],
    ) -> None:
        self._client = client
        self._events = events
        self._messages = messages
        self._subscription: Any = None
        self._pubsub = components.get("pubsub", "")
        self._binding = components.get("binding", "")
        self._store = components.get("state", "")
        self._secrets = components.get("secrets", "")

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

    def work(self, rounds: int) -> None:
        for number in range(rounds):
            self.save("work", str(number))
            got = self.get("work")["value"]
            if got != str(number):
                raise AssertionError(f"{got!r} was read where {number} had been saved")

    def secret(self, key: str) -> dict[str, str]:
        return dict(self._client.get_secret(self._secrets, key).secret)

    def secrets(self) -> dict[str, dict[str, str]]:
        return {
            key: dict(secret)
            for key, secret in self._client.get_bulk_secret(self._secrets).secrets.items()
        }

    def publish(self, topic: str, data: str) -> None:
        self._client.publish_event(self._pubsub, topic, data, data_content_type="text/plain")

    def subscribe(self, topic: str) -> None:
        self._subscription = self._client.subscribe(self._pubsub, topic)

    def next(self) -> str:
        """The data of the subscription's next message, which is then acknowledged."""
        message = None
        while message is None:
            message = self._subscription.next_message()
        self._subscription.respond_success(message)
        return str(message.data())

    def invoke(self, operation: str, data: Any) -> str:
        answer = self._client.invoke_binding(self._binding, operation, json.dumps(data))
        return answer.text()

    def event(self) -> Any:
        """The next event that the application was sent by the binding."""
        return json.loads(self._events.get(timeout=PATIENCE_SECONDS))

    def message(self) -> str:
        """The data of the next message that the application's server was sent."""
        return self._messages.get(timeout=PATIENCE_SECONDS)

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


def say(answer: dict[str, Any]) -> None:
    print("answer", json.dumps(answer), flush=True)


def serve(
    port: int, components: dict[str, str], events: queue.Queue[str], messages: queue.Queue[str]
) -> App:
    """Takes the events of a binding, and the messages of a topic, in the background."""
    app = App()

    @app.binding(components["binding"])
    def take(request: BindingRequest) -> None:
        events.put(request.text())

    @app.subscribe(pubsub_name=components["pubsub"], topic=SERVED_TOPIC)
    def hear(event: Any) -> None:
        data = event.Data()
        messages.put(data.decode() if isinstance(data, bytes) else str(data))

    threading.Thread(target=app.run, args=(port, "127.0.0.1"), daemon=True).start()
    return app


class Web:
    """The same over HTTP, with Dapr's extension for FastAPI."""

    def __init__(
        self,
        port: int,
        components: dict[str, str],
        events: queue.Queue[str],
        messages: queue.Queue[str],
    ) -> None:
        web = FastAPI()
        dapr = DaprApp(web)

        @web.post("/" + components["binding"])
        def take(event: Any = Body()) -> None:
            events.put(json.dumps(event))

        @dapr.subscribe(pubsub=components["pubsub"], topic=SERVED_TOPIC)
        def hear(event: Any = Body()) -> dict[str, str]:
            messages.put(event["data"])
            return {"status": "SUCCESS"}

        settings = uvicorn.Config(web, host="127.0.0.1", port=port, log_level="warning")
        self._server = uvicorn.Server(settings)
        threading.Thread(target=self._server.run, daemon=True).start()

    def stop(self) -> None:
        self._server.should_exit = True


def main() -> None:
    components = json.loads(sys.argv[1])
    events: queue.Queue[str] = queue.Queue()
    messages: queue.Queue[str] = queue.Queue()
    port = os.environ.get("APP_PORT")
    server = Web if os.environ.get("APP_SERVER") == "fastapi" else serve
    # Kept, since it ends with its last reference.
    app = server(int(port), components, events, messages) if port else None
    with DaprClient() as client:
        application = Application(client, components, events, messages)
        say({"ok": "connected"})
        for line in sys.stdin:
            say(answer(application, line))
    if app is not None:
        app.stop()


if __name__ == "__main__":
    main()
