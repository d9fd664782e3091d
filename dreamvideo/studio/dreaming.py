"""What the page asks to be dreamed: stills, stretches, looks; and what it asks of recipes."""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from ..errors import DreamError, RecipeError
from ..media.metadata import read_recipe
from ..recipe import Recipe, presets
from ..recipe.command_line import command_line
from . import recipes
from .files import Files, safe_name
from .footage import Footage
from .pages import Pages
from .plots import Plots
from .previews import Previews
from .requests import client_of, format_of, read_json, whole_number

LONGEST = 20.0  # s of a stretch


class Dreaming:
    """Dreams what the page shows.

    Args:
        folder: where the studio renders to.
        footage: what is dreamed on.
        outputs: the files in that folder.
        previews: dream.
        pages: are told what comes of it.
        audio_cache: a folder in which the analysis of music is kept.
        scratch: a folder for films that the page plays.
    """

    def __init__(
        self,
        folder: Path,
        footage: Footage,
        outputs: Files,
        previews: Previews,
        pages: Pages,
        audio_cache: Path,
        scratch: Path,
    ):
        self._folder, self._footage, self._outputs, self._previews, self._pages = (
            folder, footage, outputs, previews, pages,
        )  # fmt: skip
        self._plots, self._scratch = Plots(audio_cache), scratch
        self._films: dict[str, Path] = {}
        self._newest: dict[str, dict[str, int]] = {}  # by page and kind: the order of the newest request
        self._numbers = itertools.count(1)
        self.routes = [
            Route("/api/check", self.check, methods=["POST"]),
            Route("/api/open-recipe", self.open_recipe, methods=["POST"]),
            Route("/api/still", self.still, methods=["POST"]),
            Route("/api/stretch", self.stretch, methods=["POST"]),
            Route("/api/cells", self.cells, methods=["POST"]),
            Route("/api/layers", self.layers, methods=["POST"]),
            Route("/api/estimate", self.estimate, methods=["POST"]),
            Route("/api/film/{name}", self.film, methods=["GET"]),
        ]

    def recipe(self, wanted: dict[str, Any]) -> Recipe:
        """Return the recipe that a request means (see `recipes.read`)."""
        return recipes.read(wanted.get("recipe", {}), self._footage.files)

    def output(self, name: str, suffix: str) -> str:
        """Return the path of an output in the studio's folder."""
        stem = safe_name(name or "dream")
        stem = stem[: -len(suffix)] if suffix != "/" and stem.lower().endswith(suffix) else stem
        return str(self._folder / stem) + suffix

    async def check(self, request: Request) -> Response:
        """Check a recipe: return its TOML, the command that does the same, and the film that it makes."""
        wanted = await read_json(request)
        recipe = self.recipe(wanted)
        answer: dict[str, Any] = {"toml": recipe.to_toml()}
        if known := str(wanted.get("source") or ""):
            source = await asyncio.to_thread(self._footage.source, known)
            answer["command"] = self._command(source.path, recipe, wanted)
            try:
                film, notices = await asyncio.to_thread(self._plots.film, source.path, recipe)
                answer |= {"film": film, "notices": notices}
            except DreamError as error:
                answer["error"] = str(error)
        return JSONResponse(answer)

    def _command(self, source: str, recipe: Recipe, wanted: dict[str, Any]) -> str:
        form, preset = format_of(wanted), str(wanted.get("preset", ""))
        output = self.output(str(wanted.get("name") or ""), form.suffix)
        return command_line(source, output, recipe.merge(form.recipe), preset if preset in presets() else "")

    async def open_recipe(self, request: Request) -> Response:
        """Return the recipe of a file: a .toml, or one that was dreamed."""
        wanted = await read_json(request)
        where = self._outputs if wanted.get("gallery") else self._footage.files
        recipe = await asyncio.to_thread(_recipe_of, where.path(str(wanted.get("id", ""))))
        tables, notices = recipes.write(recipe, self._footage.files)
        return JSONResponse({"recipe": tables, "notices": notices})

    async def still(self, request: Request) -> Response:
        """Dream a frame; its pictures are told as they come, coarse first."""
        wanted, client, task = await self._task(request)
        if self._is_overtaken(wanted, client, "still"):
            return JSONResponse({})
        listener = self._pages.listener(client, "still", wanted.get("request"))
        options = {"full_size": bool(wanted.get("fullSize"))}
        self._previews.submit("still", client, listener, **task, options=options)
        return JSONResponse({})

    async def stretch(self, request: Request) -> Response:
        """Dream a short stretch as a film that the page can loop."""
        wanted, client, task = await self._task(request)
        seconds = wanted.get("seconds", 2)
        if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 < seconds <= LONGEST:
            raise RecipeError(f"a stretch lasts up to {LONGEST:g} s")
        if self._is_overtaken(wanted, client, "still"):
            return JSONResponse({})
        self._dream_film("stretch", client, wanted.get("request"), {"seconds": seconds}, **task)
        return JSONResponse({})

    def _is_overtaken(self, wanted: dict[str, Any], client: str, kind: str) -> bool:
        """Tell whether a newer request of the same page has come in before this one, as they may on two connections."""
        newest, number = self._newest.setdefault(client, {}), whole_number(wanted, "order")
        if number < newest.get(kind, 0):
            return True
        newest[kind] = number
        return False

    def leave(self, client: str) -> None:
        """Forget a page that has gone, and end what is dreamed for it."""
        self._newest.pop(client, None)
        self._previews.replace("leave", client)

    def watch(self, client: str, work: Path, number: str) -> None:
        """Make a film of what is there of a render so far, and tell a page of it."""
        self._dream_film("watch", client, number, {"folder": str(work)})

    def _dream_film(self, kind: str, client: str, number: Any, options: dict[str, Any], **task: Any) -> None:
        name = f"{kind}-{next(self._numbers)}"
        output = self._scratch / f"{name}.mp4"

        def change(message: dict[str, Any]) -> None:
            if message["ended"] and not message["error"]:
                self._films[name] = output
                message["film"] = name

        listener = self._pages.listener(client, kind, number, change)
        self._previews.submit(kind, client, listener, **task, options=options | {"output": str(output)})

    async def film(self, request: Request) -> Response:
        """Return a film that a page was told of."""
        path = self._films.get(request.path_params["name"])
        if path is None:
            raise HTTPException(404)
        return FileResponse(path, media_type="video/mp4")

    async def cells(self, request: Request) -> Response:
        """Dream a frame small with many looks, one after the other."""
        wanted, client, task = await self._task(request)
        cells = wanted.get("cells", {})
        if not isinstance(cells, dict):
            raise RecipeError("the looks must be a table of recipes")
        looks = {name: recipes.read(changes, self._footage.files) for name, changes in cells.items()}
        if self._is_overtaken(wanted, client, "cells"):
            return JSONResponse({})
        self._previews.replace("cells", client)
        for name, look in looks.items():
            listener = self._pages.listener(client, "cell", wanted.get("request"), name=name)
            self._previews.submit("cell", client, listener, **(task | {"recipe": look.to_toml()}))
        return JSONResponse({})

    async def layers(self, request: Request) -> Response:
        """Name the layers of a network; they are told when it is loaded."""
        wanted = await read_json(request)
        listener = self._pages.listener(client_of(wanted), "layers", wanted.get("request"))
        self._previews.submit("layers", client_of(wanted), listener, options={"model": str(wanted.get("model", ""))})
        return JSONResponse({})

    async def estimate(self, request: Request) -> Response:
        """Estimate time, memory and disk of a render; it is told when it is known."""
        wanted, client, task = await self._task(request)
        form = format_of(wanted)
        task["recipe"] = self.recipe(wanted).merge(form.recipe).to_toml()
        listener = self._pages.listener(client, "estimate", wanted.get("request"))
        self._previews.submit(
            "estimate", client, listener, **task, options={"output": self.output("estimate", form.suffix)}
        )
        return JSONResponse({})

    async def _task(self, request: Request) -> tuple[dict[str, Any], str, dict[str, Any]]:
        """Return a request, the page that it is from, and what is to be dreamed on."""
        wanted = await read_json(request)
        source = await asyncio.to_thread(self._footage.source, str(wanted.get("source", "")))
        recipe = self.recipe(wanted).to_toml()
        return wanted, client_of(wanted), {
            "source": source.path, "frame": whole_number(wanted, "frame"), "recipe": recipe,
        }  # fmt: skip


def _recipe_of(path: Path) -> Recipe:
    return Recipe.load(path) if path.suffix.lower() == ".toml" else Recipe.from_toml(read_recipe(str(path)))
