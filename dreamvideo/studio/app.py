"""The studio's server: puts its parts together, and gives the page what it begins with."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from importlib import resources
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from ..errors import DreamError
from ..recipe import PALETTES
from . import recipes
from .dreaming import Dreaming
from .files import Files
from .footage import Footage
from .formats import FORMATS
from .pages import Pages
from .previews import Previews
from .rendering import Rendering
from .renders import Renders

TEND = 1.0  # s from one look at the renders to the next
PAGE = str(resources.files("dreamvideo").joinpath("studio/page"))


class Studio:
    """The studio of a folder.

    Args:
        folder: where it renders to, and keeps dropped files.
        opened: files and folders that the page may use besides.
        first: the source that the page opens with; empty for none.
    """

    def __init__(self, folder: Path, opened: Sequence[Path] = (), first: str = ""):
        self.folder, self._first = folder.absolute(), first
        self._scratch = tempfile.TemporaryDirectory(prefix="dreamvideo-studio-")  # for what the browser plays
        scratch, outputs = Path(self._scratch.name), Files(self.folder)
        self.renders = Renders(self.folder / ".studio" / "renders")
        heard = self.renders.audio_cache
        self.pages = Pages(lambda: {"type": "renders", "renders": self.rendering.listing()}, self._leave)
        self.previews = Previews(heard)
        self.footage = Footage(Files(self.folder / "sources", opened), self.pages, heard, scratch)
        self.dreaming = Dreaming(self.folder, self.footage, outputs, self.previews, self.pages, heard, scratch)
        self.rendering = Rendering(self.folder, self.renders, self.footage, self.dreaming, outputs, scratch)

    def application(self) -> Starlette:
        """Return the server, which has still to be guarded (see `guard`)."""
        routes = [
            Route("/", _page),
            Mount("/page", StaticFiles(directory=PAGE)),
            Route("/api/state", self.state, methods=["GET"]),
            Route("/api/events", self.pages.events, methods=["GET"]),
            Route("/api/picture/{name}", self.pages.picture, methods=["GET"]),
            *self.footage.routes,
            *self.dreaming.routes,
            *self.rendering.routes,
        ]
        return Starlette(routes=routes, lifespan=self._lifespan, exception_handlers={DreamError: _say})

    @asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncIterator[None]:
        """Run previews and renders while the server runs."""
        self.previews.start()
        tending = asyncio.create_task(self._tend())
        try:
            yield
        finally:
            tending.cancel()
            self.previews.stop()
            self.footage.close()
            self._scratch.cleanup()

    async def _tend(self) -> None:
        """Begin waiting renders, and tell the pages how all of them are."""
        told: list[dict[str, Any]] = []
        while True:
            with contextlib.suppress(OSError, DreamError):  # files that come and go
                await asyncio.to_thread(self.renders.tend)
                listed = await asyncio.to_thread(self.rendering.listing)
                if listed != told:
                    told = listed
                    self.pages.tell_all({"type": "renders", "renders": listed})
            await asyncio.sleep(TEND)

    def _leave(self, client: str) -> None:
        """End what is done for a page that has gone."""
        self.dreaming.leave(client)
        self.footage.leave(client)

    async def state(self, request: Request) -> Response:
        """Return what the page begins with."""
        return JSONResponse(
            {
                "folder": str(self.folder),
                "parameters": recipes.describe(),
                "looks": recipes.looks(),
                "palettes": PALETTES,
                "formats": [{"name": f.name, "label": f.label, "help": f.help, "film": f.film} for f in FORMATS],
                "files": await asyncio.to_thread(self.footage.files.listing),
                "first": self.footage.id_of(self._first),
            }
        )


async def _page(request: Request) -> Response:
    return FileResponse(f"{PAGE}/index.html", media_type="text/html")


async def _say(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, 400)
