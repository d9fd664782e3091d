"""Starts the studio's server on this machine, and opens the page in the browser."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import signal
import socket
import webbrowser
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import uvicorn

from ..errors import DreamError
from .app import Studio
from .guard import Guard

PORT = 8642  # taken if it is free, else the next
TRIES = 50
SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Server(uvicorn.Server):
    """A server that lets go of the pages that listen when it is to end."""

    def __init__(self, config: uvicorn.Config, studio: Studio):
        super().__init__(config)
        self._studio = studio

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """End by Ctrl-C, `kill` or a closed terminal; uvicorn's own would raise the signal once more afterwards."""
        usual = {kind: signal.signal(kind, self.handle_exit) for kind in SIGNALS}
        try:
            yield
        finally:
            for kind, handler in usual.items():
                signal.signal(kind, handler)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End; see uvicorn."""
        self._studio.pages.close()
        await super().shutdown(sockets)


def serve(
    folder: Path,
    opened: Sequence[Path] = (),
    first: str = "",
    host: str = "127.0.0.1",
    port: int = 0,
    browser: bool = True,
    say: Callable[[str], None] = print,
) -> None:
    """Serve the studio until it is interrupted; what is rendered then is saved, and goes on the next time.

    Args:
        folder: where it renders to.
        opened: files and folders that the page may use besides.
        first: the source that the page opens with.
        host: the address to listen on; another than the loopback lets other machines in that know the token.
        port: 0 for the usual one, or the next that is free.
        browser: whether the page is opened in the browser.
        say: tells the user the address.

    Raises:
        DreamError: the port cannot be had.
    """
    listening = _listen(host, port)
    port = listening.getsockname()[1]
    token = token_of(folder)
    is_local = host in LOOPBACK
    hosts = [f"{name}:{port}" for name in ("127.0.0.1", "localhost", "[::1]")] if is_local else []
    studio = Studio(folder, opened, first)
    app = Guard(studio.application(), token, hosts)
    config = uvicorn.Config(app, log_level="error", access_log=False, timeout_graceful_shutdown=3)
    server = Server(config, studio)
    shown = "127.0.0.1" if is_local or host == "0.0.0.0" else host
    address = f"http://{shown}:{port}/?token={token}"
    say(f"the studio is at {address}")
    if not is_local:
        say("other machines can open it, too: whoever has this address can use your files and this machine")
    if browser:
        _open_browser(address)
    asyncio.run(server.serve(sockets=[listening]))
    if stopped := studio.renders.stop_all():
        what = "a render is" if stopped == 1 else f"{stopped} renders are"
        say(f"{what} saved after this frame, and goes on when the studio is started again")


def _open_browser(address: str) -> None:
    """Open a page in the browser; not in one that would take the terminal, nor where there is none."""
    with contextlib.suppress(webbrowser.Error):
        found = webbrowser.get()
        if type(found) is not webbrowser.GenericBrowser:
            found.open(address)


def token_of(folder: Path) -> str:
    """Return the token of a studio's folder: the same each time, so that an open page finds the studio again."""
    file = folder.absolute() / ".studio" / "token"
    with contextlib.suppress(OSError):
        if len(token := file.read_text().strip()) >= 32:
            return token
    token = secrets.token_urlsafe(32)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as opened:
            opened.write(token)
    except OSError as error:
        raise DreamError(
            f"cannot write into {folder} ({error.strerror}): give another --folder for what is rendered"
        ) from error
    return token


def _listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens on a port.

    Raises:
        DreamError: it cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for number in [port] if port else [*range(PORT, PORT + TRIES)]:
        listening = socket.socket(family, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((host, number))
            listening.listen(128)
        except OSError as error:
            listening.close()
            reason = error.strerror
            continue
        return listening
    raise DreamError(f"cannot listen on {host}, port {port or PORT} ({reason}): give another --port")
