"""A studio that runs, and browsers that look at it."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, expect, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ADDRESS = re.compile(r"http://127\.0\.0\.1:(\d+)/\?token=([\w-]+)")
OPTIONS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--autoplay-policy=no-user-gesture-required",
]  # fmt: skip
PATIENCE = 60_000  # ms, for a machine that does much else
expect.set_options(timeout=PATIENCE)


class Server:
    """A studio in a process of its own, as the command starts it.

    Attributes:
        folder: where it renders to.
        port, token, address: what it printed.
    """

    def __init__(self, folder: Path, *files: Path | str, port: int = 0):
        self.folder, self._files = folder, files
        command = [sys.executable, "-m", "dreamvideo", "studio", *map(str, files), "--folder", str(folder)]
        self.process = subprocess.Popen(
            [*command, "--no-browser", "--port", str(port)], stderr=subprocess.PIPE, text=True, cwd=folder.parent
        )
        assert self.process.stderr is not None
        found = ADDRESS.search(self.process.stderr.readline())
        assert found
        self.port, self.token, self.address = int(found[1]), found[2], found[0]

    def again(self) -> Server:
        """Start it again, at the same port, after it has ended."""
        return Server(self.folder, *self._files, port=self.port)

    def stop(self, how: signal.Signals = signal.SIGINT) -> str:
        """End it; return what it printed at last."""
        self.process.send_signal(how)
        _, said = self.process.communicate(timeout=60)
        return said

    def ask(
        self, path: str, body: object = None, token: str | None = None, method: str = "", **headers: str
    ) -> tuple[int, Any]:
        """Send a request, and return its status and answer, read as JSON if it is; `raw` bytes are sent as they are."""
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data, method=method or None)
        if given := self.token if token is None else token:
            request.add_header("Authorization", f"Bearer {given}")
        for name, value in headers.items():
            request.add_header(name.replace("_", "-"), value)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                status, text = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            status, text = error.code, error.read()
        try:
            return status, json.loads(text)
        except ValueError:
            return status, text


@contextmanager
def served(folder: Path, *files: Path | str) -> Iterator[Server]:
    """Yield a studio that runs, and end it."""
    server = Server(folder, *files)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.stop()


@contextmanager
def chromium() -> Iterator[Browser]:
    """Yield a browser."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        yield browser
        browser.close()


def opened(browser: Browser, server: Server, **options: Any) -> Page:
    """Return a page of its own that shows the studio; what goes wrong in it is the test's failure."""
    page = browser.new_context(**({"viewport": {"width": 1360, "height": 900}} | options)).new_page()
    page.on("pageerror", lambda error: failures.append(str(error)))
    page.goto(server.address)
    return page


failures: list[str] = []


def dreamed(page: Page) -> str:
    """Wait until the still is dreamed as it will look in the film; return the name of its picture."""
    expect(page.locator("[data-status]")).to_have_text(re.compile("^As it will look"))
    name = page.locator("[data-after]").get_attribute("data-picture")
    assert name
    return name


def go_to(page: Page, frame: int) -> None:
    """Scrub to a frame by its number."""
    page.locator("[data-frame]").fill(str(frame))
    page.locator("[data-frame]").press("Enter")
    expect(page.locator("[data-before]")).to_have_attribute("alt", f"Frame {frame} before")


def pixels_of(page: Page, selector: str) -> Any:
    """Return the pixels of a picture in the page, RGB (H, W, 3)."""
    import numpy as np

    wide, high, data = page.locator(selector).evaluate(
        """async (picture) => {
            await picture.decode();
            const canvas = document.createElement("canvas");
            canvas.width = picture.naturalWidth;
            canvas.height = picture.naturalHeight;
            const pen = canvas.getContext("2d");
            pen.drawImage(picture, 0, 0);
            return [canvas.width, canvas.height, [...pen.getImageData(0, 0, canvas.width, canvas.height).data]];
        }"""
    )
    return np.array(data, np.uint8).reshape(high, wide, 4)[..., :3]


def names(items: Sequence[dict[str, Any]]) -> list[str]:
    """Return the names of files."""
    return [item["name"] for item in items]
