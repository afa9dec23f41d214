"""Delivers what waits in an inbox over a stream, and takes its acknowledgements."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Protocol

from inbox import Inbox

# So many messages may be on their way in one stream.
UNACKNOWLEDGED = 100
# A message that the application refused comes again after this, in seconds.
RETRY = 1.0
# Other processes may put messages there too, so it is looked again, in seconds.
LOOK = 1.0


class Bell:
    """Rings in every delivery of this process when there is something new."""

    def __init__(self) -> None:
        self._waiting: set[asyncio.Event] = set()

    def ring(self) -> None:
        for event in self._waiting:
            event.set()

    @contextlib.contextmanager
    def heard(self):
        event = asyncio.Event()
        self._waiting.add(event)
        try:
            yield event
        finally:
            self._waiting.discard(event)


class Acknowledgement(Protocol):
    """What a request of the stream says of a message."""

    name: str
    refused: bool


async def deliver(
    inbox: Inbox, acknowledgements: AsyncIterator[Acknowledgement], bell: Bell
) -> AsyncIterator[tuple[str, bytes]]:
    """The messages and their names, until the caller ends the stream.

    What is not acknowledged stays, and is delivered by the next stream.
    """
    on_the_way: set[str] = set()
    with bell.heard() as news:
        reader = asyncio.create_task(_take(inbox, acknowledgements, on_the_way, news))
        try:
            while not reader.done():
                news.clear()
                for name in inbox.names():
                    if len(on_the_way) >= UNACKNOWLEDGED:
                        break
                    if name in on_the_way:
                        continue
                    message = inbox.read(name)
                    if message is not None:
                        on_the_way.add(name)
                        yield name, message
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(news.wait(), LOOK)
        finally:
            reader.cancel()


async def _take(
    inbox: Inbox,
    acknowledgements: AsyncIterator[Acknowledgement],
    on_the_way: set[str],
    news: asyncio.Event,
) -> None:
    def again(name: str) -> None:
        on_the_way.discard(name)
        news.set()

    try:
        async for acknowledgement in acknowledgements:
            name = acknowledgement.name
            if acknowledgement.refused:
                asyncio.get_running_loop().call_later(RETRY, again, name)
            else:
                inbox.remove(name)
                again(name)
    finally:
        news.set()
