"""Keeps other pages and other machines out: checks the host, the origin and the token of every request."""

from __future__ import annotations

import hmac
from collections.abc import Collection

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' blob: data:; "
    "media-src 'self' blob:; connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}


class Guard:
    """An ASGI application around another that answers only the studio's own page.

    A page on another site could name this server in its requests. It does not know the token, which is all that
    counts; hosts and origins are checked besides, so that not even a request without effect gets through: a name that
    is made to point here (DNS rebinding) is another host, and what another page sends tells its origin.

    Args:
        app: the application.
        token: what every request for data has to bring, as `Authorization: Bearer`, or as `token` in its query.
        hosts: what the Host header may be, like `127.0.0.1:8642`; empty for anything.
    """

    def __init__(self, app: ASGIApp, token: str, hosts: Collection[str]):
        self._app, self._token, self._hosts = app, token, frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("cache-control", "no-store")
            await send(message)

        if problem := self._problem(HTTPConnection(scope)):
            await JSONResponse({"error": problem}, 403)(scope, receive, send_with_headers)
            return
        await self._app(scope, receive, send_with_headers)

    def _problem(self, request: HTTPConnection) -> str:
        """Return why a request is refused; empty if it is not."""
        headers: Headers = request.headers
        host = headers.get("host", "")
        if self._hosts and host not in self._hosts:
            return "this address is not the studio's: open the address that it printed"
        if (origin := headers.get("origin")) and origin not in (f"http://{host}", f"https://{host}"):
            return "another page has sent this: it is refused"
        is_page = request.url.path == "/" or request.url.path.startswith("/page/")
        if headers.get("sec-fetch-site", "none") not in ("none", "same-origin") and not is_page:
            return "another page has sent this: it is refused"
        if is_page:
            return ""
        bearer = headers.get("authorization", "").removeprefix("Bearer ")
        given = bearer or request.query_params.get("token", "")
        if not hmac.compare_digest(given.encode(), self._token.encode()):
            return "the token is missing or wrong: open the address that `dreamvideo studio` printed"
        return ""
