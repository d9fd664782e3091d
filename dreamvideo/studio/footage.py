"""What the page asks of films, songs and files: to take them, to open them, to show and to look through them."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from ..errors import DreamError, RecipeError
from ..media.readers.noise import NOISE
from .analysis import Analysis
from .files import Files, kind_of
from .gallery import sound_of
from .pages import Pages
from .requests import client_of, read_json
from .sources import OpenSource

MAX_SOURCES = 6  # sources that stay open
MAX_HEIGHT = 4320  # px of a frame that is shown


class Footage:
    """The sources that the page works on.

    Args:
        files: what it may use.
        pages: are told what is found in a film.
        audio_cache: a folder in which the analysis of music is kept.
        scratch: a folder for what the browser plays.
    """

    def __init__(self, files: Files, pages: Pages, audio_cache: Path, scratch: Path):
        self.files = files
        self._pages, self._audio_cache, self._scratch = pages, audio_cache, scratch
        self._open: OrderedDict[str, OpenSource] = OrderedDict()
        self._analyses: dict[str, Analysis] = {}
        self.routes = [
            Route("/api/files", self.list_files, methods=["GET"]),
            Route("/api/upload", self.upload, methods=["POST"]),
            Route("/api/paint", self.paint, methods=["POST"]),
            Route("/api/open", self.open, methods=["POST"]),
            Route("/api/frame/{source}/{index:int}", self.frame, methods=["GET"]),
            Route("/api/sound/{source}", self.sound, methods=["GET"]),
            Route("/api/analyse", self.analyse, methods=["POST"]),
        ]

    def source(self, known: str) -> OpenSource:
        """Return an open source by its id, or `noise:`.

        Raises:
            SourceError: nothing has that id, or it cannot be opened.
        """
        path = known if NOISE.fullmatch(known) else str(self.files.path(known))
        if path not in self._open:
            self._open[path] = OpenSource(path)
            while len(self._open) > MAX_SOURCES:
                self._open.popitem(last=False)[1].close()
        self._open.move_to_end(path)
        return self._open[path]

    def id_of(self, source: str) -> str:
        """Return the id of a source; empty if the page may not use it."""
        if NOISE.fullmatch(source):
            return source
        try:
            return self.files.add(Path(source)) if source and Path(source).exists() else ""
        except DreamError:
            return ""

    async def list_files(self, request: Request) -> Response:
        """Return the files that can be opened."""
        return JSONResponse(await asyncio.to_thread(self.files.listing))

    async def upload(self, request: Request) -> Response:
        """Take a file that was dropped on the page; several of one group become the frames of a folder."""
        name, group = request.query_params.get("name", "dropped"), request.query_params.get("group", "")
        path = await self.files.receive(name, request.stream(), group)
        kept = path.parent if group else path
        return JSONResponse({"id": self.files.add(kept), "name": kept.name, "kind": kind_of(kept)})

    async def paint(self, request: Request) -> Response:
        """Take a mask that was painted on the page, as PNG."""
        path = await self.files.receive("mask.png", request.stream())
        return JSONResponse({"id": self.files.add(path), "name": path.name, "kind": kind_of(path)})

    async def open(self, request: Request) -> Response:
        """Open a source, and return what it is."""
        known = str((await read_json(request)).get("id", ""))
        source = await asyncio.to_thread(self.source, known)
        return JSONResponse({"id": known, **source.describe()})

    async def frame(self, request: Request) -> Response:
        """Return a frame of a source as a JPEG."""
        source = await asyncio.to_thread(self.source, request.path_params["source"])
        height = request.query_params.get("height", "0")
        if not height.isascii() or not height.isdigit() or len(height) > 5:
            raise RecipeError("the height must be a number of pixels")
        picture = await asyncio.to_thread(source.picture, request.path_params["index"], min(int(height), MAX_HEIGHT))
        return Response(picture, media_type="image/jpeg", headers={"cache-control": "private, max-age=3600"})

    async def sound(self, request: Request) -> Response:
        """Return the sound of a source from its first frame on, or a song."""
        known, begins = request.path_params["source"], 0.0
        path = self.files.path(known)
        if request.query_params.get("song") is None:
            begins = (await asyncio.to_thread(self.source, known)).describe()["begins"]
        return FileResponse(await asyncio.to_thread(sound_of, str(path), begins, self._scratch), media_type="audio/mp4")

    async def analyse(self, request: Request) -> Response:
        """Look through a film, and listen to its music; what is found is told as it comes."""
        wanted = await read_json(request)
        client, known, music = client_of(wanted), str(wanted.get("source", "")), str(wanted.get("music", ""))
        song = str(self.files.path(music.removeprefix("@"))) if music.startswith("@") else music
        if song == music and music not in ("", "source"):
            raise RecipeError("the music is no file that was opened: drop it on the page")
        source = await asyncio.to_thread(self.source, known)
        self.leave(client)

        def listen(found: dict[str, Any]) -> None:
            self._pages.tell(client, {"type": "analysis", "source": known, "music": music, **found})

        self._analyses[client] = Analysis(source.path, song, self._audio_cache, listen)
        return JSONResponse({})

    def leave(self, client: str) -> None:
        """End what is looked through for a page."""
        if client in self._analyses:
            self._analyses.pop(client).stop()

    def close(self) -> None:
        """Close all sources."""
        for client in list(self._analyses):
            self.leave(client)
        for source in self._open.values():
            source.close()
