"""What the page asks of renders and of what came of them: the queue, and the gallery."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from ..recipe import Recipe
from ..recipe.command_line import command_line
from .caches import Cache
from .dreaming import Dreaming
from .files import Files
from .footage import Footage
from .gallery import Gallery
from .renders import DONE, Render, Renders
from .requests import client_of, format_of, read_json

NOTICES = 4  # of a render that are shown
COMMANDS = 300  # of renders that are kept: they are asked for every second


class Rendering:
    """The renders of the studio and its gallery, for the page.

    Args:
        folder: where the studio renders to.
        renders: the renders.
        footage, dreaming: what is rendered, and how.
        outputs: the files in the folder.
        scratch: a folder for copies that the browser can play.
    """

    def __init__(
        self, folder: Path, renders: Renders, footage: Footage, dreaming: Dreaming, outputs: Files, scratch: Path
    ):
        self._folder, self._renders, self._footage, self._dreaming = folder, renders, footage, dreaming
        self._outputs, self._gallery = outputs, Gallery(folder, outputs, scratch)
        self._commands = Cache[str](COMMANDS)
        self.routes = [
            Route("/api/renders", self.add, methods=["POST"]),
            Route("/api/renders/{number}/newest", self.newest, methods=["GET"]),
            Route("/api/renders/{number}/{action}", self.change, methods=["POST"]),
            Route("/api/gallery", self.list_gallery, methods=["GET"]),
            Route("/api/media/{id}", self.media, methods=["GET"]),
        ]

    async def add(self, request: Request) -> Response:
        """Queue a render."""
        wanted = await read_json(request)
        source = await asyncio.to_thread(self._footage.source, str(wanted.get("source", "")))
        form = format_of(wanted)
        recipe = self._dreaming.recipe(wanted).merge(form.recipe)
        output = self._dreaming.output(str(wanted.get("name") or ""), form.suffix)
        self._folder.mkdir(parents=True, exist_ok=True)
        render = await asyncio.to_thread(self._renders.add, source.path, output, recipe.to_toml())
        return JSONResponse({"number": render.number})

    async def change(self, request: Request) -> Response:
        """Pause, resume or cancel a render, or make a film of what is there so far."""
        action = request.path_params["action"]
        render = await asyncio.to_thread(self._renders.get, request.path_params["number"])
        if action == "watch":
            self._dreaming.watch(client_of(await read_json(request)), render.work, render.number)
            return JSONResponse({})
        actions = {"pause": self._renders.pause, "resume": self._renders.resume, "cancel": self._renders.cancel}
        if action not in actions:
            raise HTTPException(404)
        await asyncio.to_thread(actions[action], render)
        return JSONResponse({})

    def listing(self) -> list[dict[str, Any]]:
        """Return how all renders are, for the page."""
        return [self._describe(render) for render in self._renders.all()]

    def _describe(self, render: Render) -> dict[str, Any]:
        status, state = self._renders.status(render), render.state
        if state != DONE and self._renders.is_at_work(render):
            state = "pausing" if self._renders.path(render, ".stop").exists() else "at work"
        newest = self._renders.path(render, ".jpg")
        return {
            "number": render.number, "name": Path(render.output).name, "source": Path(render.source).name,
            "state": state, "error": render.error, "done": status.get("done", 0), "total": status.get("total", 0),
            "phase": status.get("phase", ""), "each": round(status.get("each", 0), 3),
            "notices": status.get("notices", [])[-NOTICES:], "newest": newest.stat().st_mtime if newest.exists() else 0,
            "id": self._outputs.add(Path(render.output)) if state == DONE else "", "command": self._command(render),
        }  # fmt: skip

    def _command(self, render: Render) -> str:
        """Return the command that makes the same."""
        return self._commands.get(
            (render.output, render.recipe),
            lambda: command_line(render.source, render.output, Recipe.from_toml(render.recipe)),
        )

    async def newest(self, request: Request) -> Response:
        """Return the newest frame of a render."""
        render = await asyncio.to_thread(self._renders.get, request.path_params["number"])
        path = self._renders.path(render, ".jpg")
        if not path.exists():
            raise HTTPException(404)
        return FileResponse(path, media_type="image/jpeg")

    async def list_gallery(self, request: Request) -> Response:
        """Return what was rendered, each with its source, if the page may still use that."""
        return JSONResponse(await asyncio.to_thread(self._gallery_listing))

    def _gallery_listing(self) -> list[dict[str, Any]]:
        made_by = {self._outputs.add(Path(one.output)): one for one in self._renders.all() if one.state == DONE}
        shown = self._gallery.listing()
        for one in shown:
            render = made_by.get(one["id"])
            one["source"] = self._footage.id_of(render.source) if render else ""
            one["command"] = self._command(render) if render else ""
            one["render"] = render.number if render else ""
        return shown

    async def media(self, request: Request) -> Response:
        """Return something that was rendered: as the browser can show it, or as it is."""
        path = self._outputs.path(request.path_params["id"])
        if request.query_params.get("download") is not None and path.is_file():
            return FileResponse(path, filename=path.name)
        shown, kind = await asyncio.to_thread(self._gallery.playable, path)
        return FileResponse(shown, media_type=kind)
