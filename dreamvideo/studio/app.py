"""The studio's server: what the page asks for, and what it is told."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import tempfile
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from importlib import resources
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from .. import __version__
from ..errors import DreamError, RecipeError, shortened
from ..media.metadata import read_recipe
from ..media.readers.noise import NOISE
from ..recipe import PALETTES, Recipe
from ..recipe.command_line import command_line
from . import recipes
from .analysis import Analysis
from .files import Files, kind_of, safe_name
from .formats import BY_NAME, FORMATS, Format
from .gallery import Gallery, sound_of
from .plots import film_of
from .preview_process import Answer
from .previews import Previews
from .renders import DONE, Render, Renders
from .sources import OpenSource

TEND = 1.0  # s from one look at the renders to the next
PULSE = 10.0  # s after which a page is told at the latest that the studio is there
KEPT_PICTURES = 80
MAX_BODY = 4_000_000  # bytes of a request that is no upload
MAX_SOURCES = 6  # sources that stay open
PAGE = resources.files("dreamvideo").joinpath("studio/page")


class Studio:
    """The studio: its files, previews, renders, and the pages that listen.

    Args:
        folder: where it renders to; created when something is kept there.
        opened: files and folders that the page may use besides.
        first: the source that the page opens with; empty for none.
    """

    def __init__(self, folder: Path, opened: Sequence[Path] = (), first: str = ""):
        self.folder, self.first = folder.absolute(), first
        own = self.folder / ".studio"
        self._scratch = tempfile.TemporaryDirectory(prefix="dreamvideo-studio-")
        self.scratch = Path(self._scratch.name)
        self.files = Files(self.folder / "sources", opened)
        self.outputs = Files(self.folder)
        self.renders = Renders(own / "renders")
        self.gallery = Gallery(self.folder, self.outputs, self.scratch)
        self.previews = Previews(self.renders.audio_cache)
        self._sources: OrderedDict[str, OpenSource] = OrderedDict()
        self._pages: dict[str, asyncio.Queue[dict[str, Any]]] = {}
        self._pictures: OrderedDict[str, bytes] = OrderedDict()
        self._stretches: dict[str, Path] = {}
        self._analyses: dict[str, Analysis] = {}
        self._numbers = itertools.count(1)
        self._shown: Any = None
        self.closing = False

    # ---- life

    @asynccontextmanager
    async def lifespan(self, app: Starlette) -> AsyncIterator[None]:
        """Run previews and renders while the server runs; end with what is at work saved."""
        self.previews.start()
        tending = asyncio.create_task(self._tend())
        try:
            yield
        finally:
            tending.cancel()
            self.previews.stop()
            for analysis in self._analyses.values():
                analysis.stop()
            for source in self._sources.values():
                source.close()
            self._scratch.cleanup()

    async def _tend(self) -> None:
        """Begin waiting renders, and tell the pages how all of them are."""
        while True:
            with contextlib.suppress(OSError):
                await run_in_threadpool(self.renders.tend)
                shown = await run_in_threadpool(self.list_renders)
                if shown != self._shown:
                    self._shown = shown
                    self.tell_all({"type": "renders", "renders": shown})
            await asyncio.sleep(TEND)

    # ---- pages

    async def events(self, request: Request) -> Response:
        """Tell a page what happens, for as long as it listens."""
        client = request.query_params.get("client", "")
        pages, queue = self._pages, asyncio.Queue[dict[str, Any]]()
        pages[client] = queue
        queue.put_nowait({"type": "renders", "renders": await run_in_threadpool(self.list_renders)})

        async def stream() -> AsyncIterator[str]:
            try:
                while not self.closing:
                    try:
                        message = await asyncio.wait_for(queue.get(), PULSE)
                        yield f"data: {json.dumps(message)}\n\n"
                    except TimeoutError:
                        yield ": here\n\n"
            finally:
                if pages.get(client) is queue:
                    del pages[client]
                    self.previews.replace("leave", client)

        return StreamingResponse(stream(), media_type="text/event-stream")

    def tell(self, client: str, message: dict[str, Any]) -> None:
        """Tell a page something, if it listens."""
        if client in self._pages:
            self._pages[client].put_nowait(message)

    def tell_all(self, message: dict[str, Any]) -> None:
        """Tell every page something."""
        for client in self._pages:
            self.tell(client, message)

    def close(self) -> None:
        """Let go of the pages that listen, so that the server can end."""
        self.closing = True
        self.tell_all({"type": "closing"})

    # ---- what there is

    async def state(self, request: Request) -> Response:
        """Return what the page begins with."""
        return JSONResponse(
            {
                "version": __version__,
                "folder": str(self.folder),
                "parameters": recipes.describe(),
                "looks": recipes.looks(),
                "palettes": PALETTES,
                "formats": [{"name": f.name, "label": f.label, "help": f.help, "film": f.film} for f in FORMATS],
                "files": await run_in_threadpool(self.files.listing),
                "first": self._id_of(self.first),
            }
        )

    async def list_files(self, request: Request) -> Response:
        """Return the files that can be opened."""
        return JSONResponse(await run_in_threadpool(self.files.listing))

    async def upload(self, request: Request) -> Response:
        """Take a file that was dropped on the page; several of one group become the frames of a folder."""
        name, group = request.query_params.get("name", "dropped"), request.query_params.get("group", "")
        path = await self.files.receive(name, request.stream(), group)
        kept = path.parent if group else path
        return JSONResponse({"id": self.files.add(kept), "name": kept.name, "kind": kind_of(kept)})

    async def open(self, request: Request) -> Response:
        """Open a source, and return what it is."""
        wanted = await _json(request)
        known = str(wanted.get("id", ""))
        source = await run_in_threadpool(self.source, known)
        return JSONResponse({"id": known, **source.describe()})

    def source(self, known: str) -> OpenSource:
        """Return an open source by its id, or `noise:`.

        Raises:
            SourceError: nothing has that id, or it cannot be opened.
        """
        path = known if NOISE.fullmatch(known) else str(self.files.path(known))
        if path not in self._sources:
            self._sources[path] = OpenSource(path)
            while len(self._sources) > MAX_SOURCES:
                self._sources.popitem(last=False)[1].close()
        self._sources.move_to_end(path)
        return self._sources[path]

    async def frame(self, request: Request) -> Response:
        """Return a frame of a source as a JPEG."""
        source = await run_in_threadpool(self.source, request.path_params["source"])
        height = int(request.query_params.get("height", "0"))
        picture = await run_in_threadpool(source.picture, request.path_params["index"], min(max(height, 0), 4320))
        return Response(picture, media_type="image/jpeg", headers={"cache-control": "private, max-age=3600"})

    async def sound(self, request: Request) -> Response:
        """Return the sound of a source, or a song."""
        known = request.path_params["source"]
        path = self.files.path(known)
        begins = 0.0
        if request.query_params.get("song") is None:
            begins = (await run_in_threadpool(self.source, known)).describe()["begins"]
        return FileResponse(await run_in_threadpool(sound_of, str(path), begins, self.scratch), media_type="audio/mp4")

    async def analyse(self, request: Request) -> Response:
        """Look through a film, and listen to its music; what is found is told as it comes."""
        wanted = await _json(request)
        client, known = str(wanted.get("client", "")), str(wanted.get("source", ""))
        music = str(wanted.get("music", ""))
        song = str(self.files.path(music.removeprefix("@"))) if music.startswith("@") else music
        source = await run_in_threadpool(self.source, known)
        if client in self._analyses:
            self._analyses.pop(client).stop()

        def listen(found: dict[str, Any]) -> None:
            self.tell(client, {"type": "analysis", "source": known, "music": music, **found})

        self._analyses[client] = Analysis(
            source.path, song, bool(wanted.get("look", True)), self.renders.audio_cache, listen
        )
        return JSONResponse({})

    # ---- recipes

    def recipe(self, wanted: dict[str, Any]) -> Recipe:
        """Return the recipe that a request means (see `recipes.read`)."""
        return recipes.read(wanted.get("recipe", {}), self.files)

    async def check(self, request: Request) -> Response:
        """Check a recipe: return its TOML, the command that does the same, and its curves over time."""
        wanted = await _json(request)
        recipe = self.recipe(wanted)
        answer: dict[str, Any] = {"toml": recipe.to_toml()}
        if known := str(wanted.get("source", "")):
            source = await run_in_threadpool(self.source, known)
            answer["command"] = self._command(source.path, recipe, wanted)
            try:
                film, notices = await run_in_threadpool(film_of, source.path, recipe, self.renders.audio_cache)
                answer |= {"film": film, "notices": notices}
            except DreamError as error:
                answer["error"] = str(error)
        return JSONResponse(answer)

    def _command(self, source: str, recipe: Recipe, wanted: dict[str, Any]) -> str:
        form = _format(wanted)
        output = self._output(str(wanted.get("name", "")) or "dream", form.suffix)
        preset = str(wanted.get("preset", ""))
        return command_line(source, output, recipe.merge(form.recipe), preset if preset in _preset_names() else "")

    def _output(self, name: str, suffix: str) -> str:
        """Return the path of an output in the studio's folder."""
        stem = safe_name(name)
        stem = stem[: -len(suffix)] if suffix != "/" and stem.lower().endswith(suffix) else stem
        return str(self.folder / stem) + suffix

    async def open_recipe(self, request: Request) -> Response:
        """Return the recipe of a file: a .toml, or one that was dreamed."""
        wanted = await _json(request)
        known = str(wanted.get("id", ""))
        where = self.outputs if wanted.get("gallery") else self.files
        path = where.path(known)
        recipe = await run_in_threadpool(_recipe_of, path)
        tables, notices = recipes.write(recipe, self.files)
        return JSONResponse({"recipe": tables, "notices": notices})

    async def paint(self, request: Request) -> Response:
        """Take a mask that was painted on the page, as PNG."""
        path = await self.files.receive("mask.png", request.stream())
        return JSONResponse({"id": self.files.add(path), "name": path.name, "kind": "picture"})

    # ---- dreams

    async def still(self, request: Request) -> Response:
        """Dream a frame; its pictures are told as they come, coarse first."""
        wanted, client, source = await self._dream_request(request)
        options = {"full_size": bool(wanted.get("fullSize"))}
        listener = self._listener(client, "still", wanted.get("request"))
        self.previews.submit("still", client, listener, **source, options=options)
        return JSONResponse({})

    async def stretch(self, request: Request) -> Response:
        """Dream a short stretch as a film that the page can loop."""
        wanted, client, source = await self._dream_request(request)
        name = f"stretch-{next(self._numbers)}"
        output = self.scratch / f"{name}.mp4"
        seconds = min(max(float(wanted.get("seconds", 2)), 0.1), 20)

        def told(message: dict[str, Any]) -> None:
            if message["ended"] and not message["error"]:
                self._stretches[name] = output
                message["stretch"] = name

        listener = self._listener(client, "stretch", wanted.get("request"), told)
        self.previews.submit("stretch", client, listener, **source, options={"seconds": seconds, "output": str(output)})
        return JSONResponse({})

    async def cells(self, request: Request) -> Response:
        """Dream a frame small with many looks, one after the other."""
        wanted, client, source = await self._dream_request(request)
        self.previews.replace("cells", client)
        for name, changes in dict(wanted.get("cells", {})).items():
            look = recipes.read(changes, self.files)
            listener = self._listener(client, "cell", wanted.get("request"), name=name)
            self.previews.submit("cell", client, listener, **(source | {"recipe": look.to_toml()}))
        return JSONResponse({})

    async def layers(self, request: Request) -> Response:
        """Name the layers of a network; they are told when it is loaded."""
        wanted = await _json(request)
        client, model = str(wanted.get("client", "")), str(wanted.get("model", ""))
        listener = self._listener(client, "layers", wanted.get("request"))
        self.previews.submit("layers", client, listener, options={"model": model})
        return JSONResponse({})

    async def estimate(self, request: Request) -> Response:
        """Estimate time, memory and disk of a render; it is told when it is known."""
        wanted, client, source = await self._dream_request(request)
        form = _format(wanted)
        recipe = self.recipe(wanted).merge(form.recipe)
        listener = self._listener(client, "estimate", wanted.get("request"))
        options = {"output": self._output("estimate", form.suffix)}
        self.previews.submit("estimate", client, listener, **(source | {"recipe": recipe.to_toml()}), options=options)
        return JSONResponse({})

    async def cancel(self, request: Request) -> Response:
        """End what is dreamed for a page."""
        self.previews.replace("leave", str((await _json(request)).get("client", "")))
        return JSONResponse({})

    async def _dream_request(self, request: Request) -> tuple[dict[str, Any], str, dict[str, Any]]:
        wanted = await _json(request)
        source = await run_in_threadpool(self.source, str(wanted.get("source", "")))
        recipe = self.recipe(wanted)
        task = {"source": source.path, "frame": int(wanted.get("frame", 0)), "recipe": recipe.to_toml()}
        return wanted, str(wanted.get("client", "")), task

    def _listener(
        self,
        client: str,
        kind: str,
        number: Any,
        change: Callable[[dict[str, Any]], None] | None = None,
        **more: Any,
    ) -> Callable[[Answer], None]:
        """Return what passes on the answers to a task to its page."""

        def listen(answer: Answer) -> None:
            told = {"ended": answer.ended, "error": answer.error, **answer.data}
            message = {"type": kind, "request": number, **told, **more}
            if answer.picture:
                message["picture"] = self._keep_picture(answer.picture)
            if change is not None:
                change(message)
            self.tell(client, message)

        return listen

    def _keep_picture(self, picture: bytes) -> str:
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

    async def stretch_film(self, request: Request) -> Response:
        """Return a stretch that was dreamed."""
        path = self._stretches.get(request.path_params["name"])
        if path is None:
            raise HTTPException(404)
        return FileResponse(path, media_type="video/mp4")

    # ---- renders

    async def add_render(self, request: Request) -> Response:
        """Queue a render."""
        wanted = await _json(request)
        source = await run_in_threadpool(self.source, str(wanted.get("source", "")))
        form = _format(wanted)
        recipe = self.recipe(wanted).merge(form.recipe)
        output = self._output(str(wanted.get("name", "")) or "dream", form.suffix)
        self.folder.mkdir(parents=True, exist_ok=True)
        render = await run_in_threadpool(self.renders.add, source.path, output, recipe.to_toml())
        return JSONResponse({"number": render.number})

    async def change_render(self, request: Request) -> Response:
        """Pause, resume or cancel a render, or make a film of what is there so far."""
        number, action = request.path_params["number"], request.path_params["action"]
        render = await run_in_threadpool(self.renders.get, number)
        if action == "watch":
            return await self._watch(request, render)
        actions = {"pause": self.renders.pause, "resume": self.renders.resume, "cancel": self.renders.cancel}
        if action not in actions:
            raise HTTPException(404)
        await run_in_threadpool(actions[action], render)
        return JSONResponse({})

    async def _watch(self, request: Request, render: Render) -> Response:
        client, name = str((await _json(request)).get("client", "")), f"watch-{next(self._numbers)}"
        output = self.scratch / f"{name}.mp4"

        def told(message: dict[str, Any]) -> None:
            if message["ended"] and not message["error"]:
                self._stretches[name] = output
                message |= {"stretch": name, "number": render.number}

        listener = self._listener(client, "watch", None, told)
        options = {"folder": str(render.work), "output": str(output)}
        self.previews.submit("watch", client, listener, options=options)
        return JSONResponse({})

    def list_renders(self) -> list[dict[str, Any]]:
        """Return how all renders are."""
        shown = []
        for render in self.renders.all():
            status, at_work = self.renders.status(render), self.renders.is_at_work(render)
            state = render.state
            if at_work and state != DONE:
                state = "pausing" if self.renders.path(render, ".stop").exists() else "at work"
            newest = self.renders.path(render, ".jpg")
            shown.append(
                {
                    "number": render.number,
                    "name": Path(render.output).name,
                    "source": Path(render.source).name,
                    "state": state,
                    "error": render.error,
                    "done": status.get("done", 0),
                    "total": status.get("total", 0),
                    "phase": status.get("phase", ""),
                    "each": round(status.get("each", 0), 3),
                    "notices": status.get("notices", [])[-4:],
                    "newest": newest.stat().st_mtime if newest.exists() else 0,
                    "id": self.outputs.add(Path(render.output)) if state == DONE else "",
                }
            )
        return shown

    async def newest(self, request: Request) -> Response:
        """Return the newest frame of a render."""
        render = await run_in_threadpool(self.renders.get, request.path_params["number"])
        path = self.renders.path(render, ".jpg")
        if not path.exists():
            raise HTTPException(404)
        return FileResponse(path, media_type="image/jpeg")

    # ---- gallery

    async def list_gallery(self, request: Request) -> Response:
        """Return what was rendered, each with its source, if the page may still use that."""
        return JSONResponse(await run_in_threadpool(self._gallery))

    def _gallery(self) -> list[dict[str, Any]]:
        sources = {self.outputs.add(Path(one.output)): one.source for one in self.renders.all() if one.state == DONE}
        shown = self.gallery.listing()
        for one in shown:
            one["source"] = self._id_of(sources.get(one["id"], ""))
        return shown

    def _id_of(self, source: str) -> str:
        """Return the id of a source; empty if the page may not use it."""
        if NOISE.fullmatch(source):
            return source
        try:
            return self.files.add(Path(source)) if source and Path(source).exists() else ""
        except DreamError:
            return ""

    async def media(self, request: Request) -> Response:
        """Return something that was rendered, as the browser can show it."""
        path = self.outputs.path(request.path_params["id"])
        if request.query_params.get("download") is not None and path.is_file():
            return FileResponse(path, filename=path.name)
        shown, kind = await run_in_threadpool(self.gallery.playable, path)
        return FileResponse(shown, media_type=kind)


def _recipe_of(path: Path) -> Recipe:
    if path.suffix.lower() == ".toml":
        return Recipe.load(path)
    return Recipe.from_toml(read_recipe(str(path)))


def _format(wanted: dict[str, Any]) -> Format:
    """Return the output format that a request names."""
    name = str(wanted.get("format", "web"))
    if name not in BY_NAME:
        raise RecipeError(f"there is no format {shortened(name)}: take one of {', '.join(BY_NAME)}")
    return BY_NAME[name]


def _preset_names() -> set[str]:
    return {one["name"] for one in recipes.looks()}


async def _json(request: Request) -> dict[str, Any]:
    """Return the body of a request.

    Raises:
        RecipeError: it is no JSON object, or too long.
    """
    body = b""
    async for block in request.stream():
        body += block
        if len(body) > MAX_BODY:
            raise RecipeError("this is too much at once")
    try:
        wanted = json.loads(body or b"{}")
    except ValueError as error:
        raise RecipeError("this is no JSON") from error
    if not isinstance(wanted, dict):
        raise RecipeError("this is no JSON object")
    return wanted


async def _page(request: Request) -> Response:
    return FileResponse(str(PAGE.joinpath("index.html")), media_type="text/html")


async def _say(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, 400)


def application(studio: Studio) -> Starlette:
    """Return the server of a studio, which has still to be guarded (see `guard`)."""
    get, post = ["GET"], ["POST"]
    routes = [
        Route("/", _page),
        Mount("/page", StaticFiles(directory=str(PAGE))),
        Route("/api/events", studio.events, methods=get),
        Route("/api/state", studio.state, methods=get),
        Route("/api/files", studio.list_files, methods=get),
        Route("/api/upload", studio.upload, methods=post),
        Route("/api/paint", studio.paint, methods=post),
        Route("/api/open", studio.open, methods=post),
        Route("/api/frame/{source}/{index:int}", studio.frame, methods=get),
        Route("/api/sound/{source}", studio.sound, methods=get),
        Route("/api/analyse", studio.analyse, methods=post),
        Route("/api/check", studio.check, methods=post),
        Route("/api/open-recipe", studio.open_recipe, methods=post),
        Route("/api/still", studio.still, methods=post),
        Route("/api/stretch", studio.stretch, methods=post),
        Route("/api/cells", studio.cells, methods=post),
        Route("/api/layers", studio.layers, methods=post),
        Route("/api/estimate", studio.estimate, methods=post),
        Route("/api/cancel", studio.cancel, methods=post),
        Route("/api/picture/{name}", studio.picture, methods=get),
        Route("/api/film/{name}", studio.stretch_film, methods=get),
        Route("/api/renders", studio.add_render, methods=post),
        Route("/api/renders/{number}/newest", studio.newest, methods=get),
        Route("/api/renders/{number}/{action}", studio.change_render, methods=post),
        Route("/api/gallery", studio.list_gallery, methods=get),
        Route("/api/media/{id}", studio.media, methods=get),
    ]
    return Starlette(routes=routes, lifespan=studio.lifespan, exception_handlers={DreamError: _say})
