"""The pages that are open: what each is told, and the pictures that it is told of."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from .preview_process import Answer

PULSE = 10.0  # s after which a page is told at the latest that the studio is there
KEPT_PICTURES = 120


class Pages:
    """The pages that listen.

    Args:
        greet: returns what a page is told first.
        on_leave: called with the name of a page that has gone.
    """

    def __init__(self, greet: Callable[[], dict[str, Any]], on_leave: Callable[[str], None]):
        self._greet, self._on_leave = greet, on_leave
        self._queues: dict[str, asyncio.Queue[dict[str, Any]]] = {}
        self._pictures: OrderedDict[str, bytes] = OrderedDict()
        self._numbers = itertools.count(1)
        self._closing = False

    async def events(self, request: Request) -> Response:
        """Tell a page what happens, for as long as it listens."""
        client = request.query_params.get("client", "")
        queue = self._queues[client] = asyncio.Queue[dict[str, Any]]()
        queue.put_nowait(await asyncio.to_thread(self._greet))

        async def stream() -> AsyncIterator[str]:
            try:
                while not self._closing:
                    try:
                        message = await asyncio.wait_for(queue.get(), PULSE)
                        yield f"data: {json.dumps(message)}\n\n"
                    except TimeoutError:
                        yield ": here\n\n"
            finally:
                if self._queues.get(client) is queue:
                    del self._queues[client]
                    self._on_leave(client)

        return StreamingResponse(stream(), media_type="text/event-stream")

    def tell(self, client: str, message: dict[str, Any]) -> None:
        """Tell a page something, if it listens."""
        if client in self._queues:
            self._queues[client].put_nowait(message)

    def tell_all(self, message: dict[str, Any]) -> None:
        """Tell every page something."""
        for client in self._queues:
            self.tell(client, message)

    def close(self) -> None:
        """Let go of the pages, so that the server can end."""
        self._closing = True
        self.tell_all({"type": "closing"})

    def listener(
        self,
        client: str,
        kind: str,
        number: Any = None,
        change: Callable[[dict[str, Any]], None] | None = None,
        **more: Any,
    ) -> Callable[[Answer], None]:
        """Return what passes on the answers to a task to its page.

        Args:
            client: the page.
            kind, number: of its request.
            change: called with every message before it is told.
            more: what else every message holds.
        """

        def listen(answer: Answer) -> None:
            told = {"ended": answer.ended, "error": answer.error, **answer.data}
            message = {"type": kind, "request": number, **told, **more}
            if answer.picture:
                message["picture"] = self._keep(answer.picture)
            if change is not None:
                change(message)
            self.tell(client, message)

        return listen

    def _keep(self, picture: bytes) -> str:
        name = str(next(self._numbers))
        self._pictures[name] = picture
        while len(self._pictures) > KEPT_PICTURES:
            self._pictures.popitem(last=False)
        return name

    async def picture(self, request: Request) -> Response:
        """Return a picture that a page was told of."""
        picture = self._pictures.get(request.path_params["name"])
        if picture is None:
            raise HTTPException(404)
        return Response(picture, media_type="image/jpeg")
