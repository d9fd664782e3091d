"""The studio: its page in a real browser, its renders, and what it refuses."""

from __future__ import annotations

import json
import re
import shlex
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import psutil
import pytest
import studio_page
from numbered_films import make, number
from skimage import data
from studio_page import Server, chromium, dreamed, go_to, names, opened, pixels_of, served

from dreamvideo import Recipe, dream_video
from dreamvideo.cli.main import main
from dreamvideo.media.readers.source import open_source
from dreamvideo.networks.embedded import VARIANTS
from dreamvideo.recipe import parameters
from dreamvideo.studio import recipes
from dreamvideo.studio.dreams import Dreams, Wanted
from dreamvideo.studio.files import Files, safe_name
from dreamvideo.studio.sizes import level_sizes, with_detail

needs_browser = pytest.mark.skipif(not studio_page.CHROMIUM, reason="needs Chromium: apt install chromium")
FRAMES, SIZE, RATE = 60, "128x96", 25


@pytest.fixture(scope="module")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a film whose frames show their number, with a tone, and a picture."""
    folder = tmp_path_factory.mktemp("footage")
    make(folder / "numbers.mp4", "-c:v", "libx264", "-g", 12, "-bf", 2, frames=FRAMES, size=SIZE, rate=RATE, sound=True)
    cv2.imwrite(str(folder / "cat.png"), cv2.resize(data.chelsea(), (120, 80))[..., ::-1])
    return folder


@pytest.fixture(scope="module")
def studio(footage: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A studio that most tests share."""
    with served(tmp_path_factory.mktemp("studio") / "dreams", footage / "numbers.mp4", footage) as server:
        yield server


@pytest.fixture(autouse=True)
def no_failures() -> Iterator[None]:
    studio_page.failures.clear()
    yield
    assert not studio_page.failures


# ---- the page


@needs_browser
def test_every_frame_that_is_scrubbed_to_is_the_one_that_is_shown(studio: Server) -> None:
    with chromium() as browser:
        page = opened(browser, studio)
        for wanted in (37, 0, FRAMES - 1, 12, 11):
            go_to(page, wanted)
            assert number(pixels_of(page, "[data-before]")) == wanted
        page.locator("[data-timeline]").press("ArrowRight")
        studio_page.expect(page.locator("[data-before]")).to_have_attribute("alt", "Frame 12 before")
        box = page.locator("[data-timeline]").bounding_box()
        assert box
        page.mouse.click(box["x"] + box["width"] * 40.5 / FRAMES, box["y"] + 20)
        studio_page.expect(page.locator("[data-before]")).to_have_attribute("alt", "Frame 40 before")
        assert number(pixels_of(page, "[data-before]")) == 40


@needs_browser
def test_a_change_is_dreamed_undone_and_taken_from_a_look(studio: Server) -> None:
    with chromium() as browser:
        page = opened(browser, studio)
        dreamed(page)
        go_to(page, 37)
        first = dreamed(page)
        before = pixels_of(page, "[data-after]").astype(int)
        strength = page.locator('[data-number="finish.strength"]')
        strength.fill("0")
        strength.press("Enter")
        studio_page.expect(page.locator("[data-after]")).not_to_have_attribute("data-picture", first)
        dreamed(page)
        none = pixels_of(page, "[data-after]").astype(int)
        assert np.abs(none - pixels_of(page, "[data-before]")).mean() < 1
        assert np.abs(before - none).mean() > 1
        page.locator("[data-timeline]").press("Control+z")
        studio_page.expect(strength).to_have_value("1")
        page.locator('[data-look="ember"]').click()
        studio_page.expect(page.locator('[data-choice="finish.palette"]')).to_have_value("ember")
        dreamed(page)
        red, _, blue = pixels_of(page, "[data-after]").astype(int).mean((0, 1))
        assert red > blue + 2
        assert page.locator("[data-redo]").is_disabled()
        page.locator('[data-reset="finish.palette"]').click()
        studio_page.expect(page.locator('[data-choice="finish.palette"]')).to_have_value("source")
        studio_page.expect(page.locator('[data-look="carved"] img')).to_be_visible()  # it is dreamed, too


@needs_browser
def test_a_newer_change_ends_the_older_dream(studio: Server) -> None:
    with chromium() as browser:
        page = opened(browser, studio)
        dreamed(page)
        slider = page.locator('[data-slider="finish.color"]')
        for value in ("0.2", "0.4", "0.6", "0"):
            slider.evaluate(
                "(one, v) => { one.value = v; one.dispatchEvent(new Event('input', {bubbles: true})); }", value
            )
        dreamed(page)
        studio_page.expect(page.locator('[data-number="finish.color"]')).to_have_value("0")
        page.locator("[data-undo]").click()  # a drag is one step
        studio_page.expect(page.locator('[data-number="finish.color"]')).to_have_value("1")


@needs_browser
def test_a_number_becomes_a_curve(studio: Server) -> None:
    with chromium() as browser:
        page = opened(browser, studio)
        dreamed(page)
        page.locator('[data-open-curve="finish.strength"]').click()
        page.locator('[data-kind="keyframes"]').click()
        canvas = page.locator("[data-timeline]")
        box = canvas.bounding_box()
        assert box
        page.mouse.dblclick(box["x"] + box["width"] * 30.5 / FRAMES, box["y"] + box["height"] - 8)
        studio_page.expect(page.locator("[data-keyframe-value]")).to_have_value("0")
        page.mouse.move(box["x"] + box["width"] * 30.5 / FRAMES, box["y"] + box["height"] - 8)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] * 40.5 / FRAMES, box["y"] + box["height"] - 104, steps=5)
        page.mouse.up()
        studio_page.expect(page.locator("[data-keyframe-value]")).to_have_value("2")
        page.locator("[data-recipe]").click()
        command = page.locator("[data-command]")
        studio_page.expect(command).to_contain_text("1.6s")
        words = shlex.split(command.inner_text())
        assert words[words.index("--strength") + 1] == '{0s = 1, "1.6s" = 2, "2.36s" = 1}'
        page.keyboard.press("Escape")
        page.locator('[data-kind="expression"]').click()
        page.locator("[data-expression]").fill("beat_of_nothing")
        page.locator("[data-expression]").press("Enter")
        studio_page.expect(page.locator("[data-status]")).to_contain_text("beat_of_nothing")
        assert page.locator("[data-render]").is_disabled() or "unknown" in page.locator("[data-status]").inner_text()


@needs_browser
def test_a_film_is_rendered_watched_interrupted_and_played(footage: Path, tmp_path: Path) -> None:
    """The page is loaded again in mid-render, the server killed and started; the command gives the same frames."""
    server = Server(tmp_path / "dreams", footage / "numbers.mp4")
    try:
        with chromium() as browser:
            page = opened(browser, server, permissions=["clipboard-read", "clipboard-write"])
            dreamed(page)
            page.locator("[data-render]").click()
            studio_page.expect(page.locator("[data-estimate]")).to_contain_text("memory")
            page.locator("[data-size]").select_option("240p")  # while that is estimated
            page.locator("[data-size]").select_option("")
            studio_page.expect(page.locator("[data-estimate]")).to_contain_text("128x96")
            page.locator("[data-name]").fill("../<b>x")
            studio_page.expect(page.locator("[data-command]")).to_contain_text("dreams/_b_x.mp4")
            page.locator("[data-name]").fill("first")
            studio_page.expect(page.locator("[data-command]")).to_contain_text("first.mp4")
            page.locator("[data-copy-command]").click()
            command = shlex.split(page.evaluate("() => navigator.clipboard.readText()"))
            page.locator("[data-add-render]").click()
            studio_page.expect(page.locator("[data-progress]")).to_contain_text(re.compile(r"[1-9]\d? of 60"))
            page.reload()
            page.locator("[data-view=renders]").click()
            studio_page.expect(page.locator("[data-newest]")).to_be_visible()
            server.stop(signal.SIGKILL)
            studio_page.expect(page.locator(".lost")).to_be_visible()
            server = server.again()
            studio_page.expect(page.locator(".lost")).to_have_count(0)
            studio_page.expect(page.locator("article[data-state=done]")).to_be_visible()
            page.locator("[data-show]").click()
            film = page.locator(".screen video")
            studio_page.expect(film).to_be_visible()
            length = film.evaluate(
                "(film) => new Promise((done) => film.duration ? done(film.duration) :"
                " film.addEventListener('loadedmetadata', () => done(film.duration)))"
            )
            assert abs(length - FRAMES / RATE) < 0.1
            page.locator("[data-again]").click()
            studio_page.expect(page.locator("[data-timeline]")).to_be_visible()
    finally:
        server.stop()
    assert command[0] == "dreamvideo"
    made, ours = Path(command[2]), tmp_path / "by-command.mp4"
    assert made == tmp_path / "dreams" / "first.mp4"
    command[2] = str(ours)
    assert main(command[1:]) == 0
    with open_source(str(made)) as one, open_source(str(ours)) as other:
        pairs = list(zip(one, other, strict=True))
    assert len(pairs) == FRAMES
    assert all(np.array_equal(a.pixels, b.pixels) for a, b in pairs)


@needs_browser
def test_two_browsers_and_a_narrow_one(studio: Server, footage: Path) -> None:
    with chromium() as browser:
        wide = opened(browser, studio)
        narrow = opened(browser, studio, viewport={"width": 390, "height": 844}, color_scheme="light")
        go_to(wide, 20)
        go_to(narrow, 40)
        dreamed(wide)
        dreamed(narrow)
        assert number(pixels_of(wide, "[data-before]")) == 20
        assert number(pixels_of(narrow, "[data-before]")) == 40
        for view in ("dream", "renders", "gallery"):
            narrow.locator(f"[data-view={view}]").click()
            assert narrow.evaluate("document.documentElement.scrollWidth") <= 390, view
        unnamed = narrow.locator("button, input, select, canvas").evaluate_all(
            "(all) => all.filter((one) => !(one.innerText || one.ariaLabel || one.title || one.labels?.length)).length"
        )
        assert unnamed == 0


@needs_browser
def test_what_is_dropped_is_taken_for_what_it_is(studio: Server, footage: Path, tmp_path: Path) -> None:
    hostile = tmp_path / "<img src=x onerror=alert(1)>.png"
    cv2.imwrite(str(hostile.with_name("plain.png")), np.full((80, 120, 3), 90, np.uint8))
    hostile.with_name("plain.png").rename(hostile)
    (tmp_path / "look.toml").write_text('[finish]\nstrength = 0.25\nmask = "/etc/passwd"\n')
    with chromium() as browser:
        page = opened(browser, studio)
        dreamed(page)

        def drop(*paths: Path) -> None:
            with page.expect_file_chooser() as chooser:
                page.locator(".parameters button", has_text="Song").click()
            chooser.value.set_files([str(path) for path in paths])

        drop(tmp_path / "look.toml")
        studio_page.expect(page.locator("[data-message]")).to_contain_text("passwd")
        studio_page.expect(page.locator('[data-number="finish.strength"]')).to_have_value("0.25")
        page.on("dialog", lambda dialog: studio_page.failures.append(dialog.message))
        made = tmp_path / "made.png"
        cv2.imwrite(str(tmp_path / "flat.png"), np.full((64, 64, 3), 90, np.uint8))
        dream_video(
            tmp_path / "flat.png", made, Recipe().merge({"finish": {"strength": 0.5}, "dream": {"iterations": 1}})
        )
        page.locator("[data-recipe]").click()
        with page.expect_file_chooser() as chooser:
            page.locator("[data-open-recipe]").click()
        chooser.value.set_files(str(made))
        page.keyboard.press("Escape")
        studio_page.expect(page.locator('[data-number="finish.strength"]')).to_have_value("0.5")
        drop(hostile)
        studio_page.expect(page.locator("[data-timeline]")).to_have_count(0)  # a picture has none
        dreamed(page)
        assert page.locator("img[src=x]").count() == 0
        page.locator("[data-seconds]").fill("2")
        page.locator("[data-seconds]").press("Enter")
        studio_page.expect(page.locator("[data-timeline]")).to_be_visible()
        frames = []
        for k in range(3):
            frames.append(tmp_path / f"f{k}.png")
            cv2.imwrite(str(frames[-1]), np.full((80, 120, 3), 60 * k, np.uint8))
        drop(*frames)
        studio_page.expect(page.locator("[data-frame]")).to_have_attribute("max", "2")


@needs_browser
def test_a_mask_is_painted(studio: Server) -> None:
    with chromium() as browser:
        page = opened(browser, studio)
        dreamed(page)
        page.locator("[data-mask-from]").select_option("paint")
        box = page.locator("[data-mask]").bounding_box()
        assert box
        page.mouse.move(box["x"] + 20, box["y"] + box["height"] / 2)
        page.mouse.down()
        page.mouse.move(box["x"] + 60, box["y"] + box["height"] / 2, steps=3)
        page.mouse.up()
        page.locator("[data-take-mask]").click()
        page.locator("[data-recipe]").click()
        studio_page.expect(page.locator("[data-command]")).to_contain_text("--mask")
    masks = sorted((studio.folder / "sources").glob("mask*.png"))
    painted = cv2.imread(str(masks[-1]), cv2.IMREAD_GRAYSCALE)
    assert painted is not None
    assert painted[48, 10] == 255  # left of the middle, where it was painted
    assert painted[48, 110] == 0


@needs_browser
def test_previews_come_back_when_their_process_is_killed(footage: Path, tmp_path: Path) -> None:
    with served(tmp_path / "dreams", footage / "numbers.mp4") as server, chromium() as browser:
        page = opened(browser, server)
        first = dreamed(page)
        for child in psutil.Process(server.process.pid).children(recursive=True):
            child.kill()
        page.locator('[data-number="finish.strength"]').fill("0.5")
        page.locator('[data-number="finish.strength"]').press("Enter")
        status = page.locator("[data-status]")
        studio_page.expect(status).to_contain_text(re.compile("ended by the system|As it will look"))
        if "ended" in status.inner_text():  # it was told in time: the next change is dreamed
            page.locator("[data-undo]").click()
        studio_page.expect(page.locator("[data-after]")).not_to_have_attribute("data-picture", first)
        dreamed(page)


# ---- the server


def test_only_the_page_itself_is_answered(studio: Server) -> None:
    port = studio.port
    assert studio.ask("/", token="")[0] == 200
    assert studio.ask("/api/state")[0] == 200
    assert studio.ask("/api/state", token="")[0] == 403
    assert studio.ask("/api/state", token=studio.token[:-1])[0] == 403
    assert studio.ask(f"/api/state?token={studio.token}", token="")[0] == 200
    assert studio.ask("/api/state", Host=f"evil.example:{port}")[0] == 403
    assert studio.ask("/", Host="evil.example")[0] == 403
    assert studio.ask("/api/state", Origin="http://evil.example")[0] == 403
    assert studio.ask("/api/state", Origin=f"http://localhost:{port}")[0] == 403  # not the host that is asked
    assert studio.ask("/api/state", Origin=f"http://127.0.0.1:{port}")[0] == 200
    assert studio.ask("/api/state", Sec_Fetch_Site="cross-site")[0] == 403
    assert studio.ask("/api/state", Sec_Fetch_Site="same-site")[0] == 403  # another port of this machine


def test_no_name_leads_out_of_the_folders_that_were_opened(footage: Path, tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "secret.png").write_bytes((footage / "cat.png").read_bytes())
    (tmp_path / "open" / "link.png").symlink_to(tmp_path / "secret.png")
    (tmp_path / "open" / "own.png").write_bytes((footage / "cat.png").read_bytes())
    with served(tmp_path / "dreams", tmp_path / "open") as server:
        listed = server.ask("/api/files")[1]
        assert names(listed) == ["own.png"]
        assert server.ask("/page/../app.py")[0] == 404
        assert server.ask("/page/%2e%2e/app.py")[0] == 404
        for path in ("../../../etc/passwd", "..%2f..%2fetc%2fpasswd", "0123456789abcdef"):
            assert server.ask(f"/api/media/{path}")[0] in (400, 404)
            assert server.ask("/api/open", {"id": path})[0] == 400
        assert server.ask("/api/open", {"id": str(tmp_path / "secret.png")})[0] == 400
        status, _ = server.ask("/api/upload?name=../../up.png&group=../x", (footage / "cat.png").read_bytes())
        assert status == 200
        assert not (tmp_path / "up.png").exists()
        assert [p.name for p in (tmp_path / "dreams" / "sources").rglob("*.png")] == ["up.png"]
        own = listed[0]["id"]
        (tmp_path / "open" / "own.png").unlink()
        (tmp_path / "open" / "own.png").symlink_to(tmp_path / "secret.png")  # put in its place meanwhile
        assert server.ask("/api/open", {"id": own})[0] == 400
        for recipe in (
            {"finish": {"mask": "/etc/passwd"}},
            {"network": {"guide": "/etc/hosts=1"}},
            {"music": {"music": "x"}},
        ):
            status, answer = server.ask("/api/check", {"recipe": recipe})
            assert status == 400
            assert "drop it on the page" in answer["error"]


def test_a_request_that_is_overtaken_does_not_replace_the_newer(studio: Server) -> None:
    film = next(one["id"] for one in studio.ask("/api/files")[1] if one["name"] == "numbers.mp4")
    address = f"http://127.0.0.1:{studio.port}/api/events?client=overtaken&token={studio.token}"
    with urllib.request.urlopen(address, timeout=60) as events:
        for number in (2, 1):
            asked = {
                "source": film,
                "client": "overtaken",
                "request": number,
                "order": number,
                "recipe": {"dream": {"iterations": 1}},
            }
            assert studio.ask("/api/still", asked)[0] == 200
        told: dict[str, object] = {}
        while not told.get("ended"):
            line = events.readline().decode()
            told = json.loads(line.removeprefix("data: ")) if line.startswith("data: ") else told
            assert told.get("request") in (None, 2)
        assert told["request"] == 2
        assert not told["error"]


def test_odd_requests_are_answered_in_one_line(studio: Server) -> None:
    film = next(one["id"] for one in studio.ask("/api/files")[1] if one["name"] == "numbers.mp4")
    odd: list[object] = [
        b"",
        b"no json",
        b"[1]",
        b"\xff",
        {"recipe": 5},
        {"recipe": {"dream": 5}},
        {"recipe": {"x": {}}},
    ]
    odd += [{"source": film, "frame": frame} for frame in ("x", 1.5, None, True)]
    odd += [
        {"source": film, "format": {}},
        {"source": 7},
        {"source": film, "cells": 3},
        {"source": film, "seconds": "1"},
    ]
    paths = ("check", "still", "stretch", "cells", "estimate", "renders", "analyse", "open", "open-recipe", "layers")
    for path in paths:
        for body in odd:
            status, answer = studio.ask(f"/api/{path}", body)
            assert status < 500, (path, body, answer)
    assert studio.ask(f"/api/frame/{film}/{FRAMES}")[0] == 400
    assert studio.ask(f"/api/frame/{film}/0?height=-1")[0] == 400
    assert studio.ask("/api/renders/9999/pause", {})[0] == 400
    assert studio.ask("/api/picture/none")[0] == 404


def test_the_studio_is_refused_a_folder_that_it_cannot_write_into_and_a_port_in_use(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    assert "--folder" in refused(tmp_path / "file" / "x")
    with served(tmp_path / "dreams") as server:
        assert "--port" in refused(tmp_path / "other", "--port", str(server.port))


def refused(folder: Path, *flags: str) -> str:
    """Return what a studio says that does not start."""
    command = [sys.executable, "-m", "dreamvideo", "studio", "--no-browser", "--folder", str(folder), *flags]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    return done.stderr


def test_renders_wait_pause_and_go_on_after_the_studio_has_ended(footage: Path, tmp_path: Path) -> None:
    server = Server(tmp_path / "dreams", footage)
    film = next(one["id"] for one in server.ask("/api/files")[1] if one["name"] == "numbers.mp4")
    quick = {"dream": {"iterations": 2}, "temporal": {"refine": 1}}

    def renders() -> dict[str, dict[str, object]]:
        address = f"http://127.0.0.1:{server.port}/api/events?client=test&token={server.token}"
        with urllib.request.urlopen(address, timeout=60) as events:
            told = json.loads(events.readline().decode().removeprefix("data: "))
        return {one["name"]: one for one in told["renders"]}

    def wait(name: str, *states: str) -> dict[str, object]:
        ends = time.monotonic() + 120
        while (now := renders()[name])["state"] not in states:
            assert now["state"] != "failed", now
            assert time.monotonic() < ends, now
            time.sleep(0.2)
        return now

    try:
        for name in ("one", "two"):
            asked = {"source": film, "recipe": quick, "name": name, "format": "archive"}
            assert server.ask("/api/renders", asked)[0] == 200
        assert server.ask("/api/renders", {"source": film, "name": "one", "format": "archive"})[0] == 400  # taken
        one, two = renders()["one.mkv"], renders()["two.mkv"]
        assert server.ask(f"/api/renders/{two['number']}/pause", {})[0] == 200
        while not int(str(wait("one.mkv", "at work")["done"])):
            pass
        assert "goes on when the studio is started again" in server.stop()
        assert not (tmp_path / "dreams" / "one.mkv").exists()
        server = server.again()
        wait("one.mkv", "done")
        assert renders()["two.mkv"]["state"] == "paused"
        assert server.ask(f"/api/renders/{two['number']}/cancel", {})[0] == 200
        assert list(renders()) == ["one.mkv"]
        with open_source(str(tmp_path / "dreams" / "one.mkv")) as source:
            assert sum(1 for _ in source) == FRAMES
        (listed,) = server.ask("/api/gallery")[1]
        assert listed["name"] == "one.mkv"
        assert listed["source"] == film
        status, shown = server.ask(f"/api/media/{listed['id']}")
        assert status == 200
        assert shown[4:8] == b"ftyp"  # a copy that the browser can play
        server.ask(f"/api/renders/{one['number']}/cancel", {})
        assert not renders()
        assert (tmp_path / "dreams" / "one.mkv").exists()
    finally:
        server.stop()


# ---- the parts


def test_every_parameter_is_described_with_a_range_that_a_slider_can_cover() -> None:
    described = {one["name"]: one for one in recipes.describe()}
    assert set(described) == {f"{section}.{key}" for section, key, _, _ in parameters()}
    assert sum(one["first"] for one in described.values()) == 12
    for _, key, _, param in parameters():
        if param.usual:
            low, high = param.usual
            assert param.low <= low < high <= param.high, key
            assert (high - low) < 1000


def test_the_networks_that_need_no_download_are_the_embedded_ones() -> None:
    assert set(recipes.EMBEDDED) == set(VARIANTS)
    assert {look["name"] for look in recipes.looks() if not look["builtIn"]} == {"classic"}


def test_a_recipe_comes_back_from_the_page_as_it_was(tmp_path: Path) -> None:
    files = Files(tmp_path)
    (tmp_path / "mask.png").write_bytes(b"x")
    (tmp_path / "a.jpg").write_bytes(b"x")
    recipe = Recipe().merge(
        {
            "finish": {"mask": str(tmp_path / "mask.png"), "palette": "ember"},
            "network": {"guide": f"{tmp_path / 'a.jpg'}=0.5,{tmp_path / 'mask.png'}=pulse(beat)"},
            "dream": {"step": {"0s": 0.01, "4s": 0.02}},
        }
    )
    tables, notices = recipes.write(recipe, files)
    assert not notices
    assert str(tmp_path) not in str(tables)
    assert recipes.read(tables, files) == recipe


@pytest.mark.parametrize("name", ["../../x.png", "..", "", ".hidden", "a/b\\c.png", "x" * 300 + ".png", "<script>.mp4"])
def test_no_dropped_name_is_more_than_a_name(name: str) -> None:
    safe = safe_name(name)
    assert safe
    assert len(safe) <= 100
    assert not safe.startswith(".")
    assert re.fullmatch(r"[\w.\- ]+", safe)


def test_a_frame_is_dreamed_at_sizes_of_its_octaves() -> None:
    assert level_sizes(854, 480, 1.4, None) == [(311, 175), (436, 245), (854, 480)]
    assert level_sizes(120, 80, 1.4, None) == [(120, 80)]
    assert max(w * h for w, h in level_sizes(7680, 4320, 1.4, 1_150_000)) <= 1_150_000


def test_another_finish_is_shown_at_once_and_looks_as_if_dreamed_by_it(footage: Path, tmp_path: Path) -> None:
    plain = Recipe().merge({"dream": {"iterations": 2}})
    ember = plain.merge({"finish": {"palette": "ember", "color": 0.5, "blend": "screen"}})

    def last(dreams: Dreams, recipe: Recipe) -> tuple[int, np.ndarray]:
        shown = [one for one in dreams.still(Wanted(str(footage / "numbers.mp4"), 37, recipe))]
        picture = shown[-1].picture
        assert picture is not None
        return len(shown), picture

    dreams = Dreams(tmp_path, lambda: False)
    assert last(dreams, plain)[0] > 1
    steps, quick = last(dreams, ember)
    assert steps == 1
    steps, anew = last(Dreams(tmp_path, lambda: False), ember)
    assert steps > 1
    assert np.array_equal(quick, anew)
    assert last(dreams, ember.merge({"dream": {"step": 0.02}}))[0] > 1  # that has to be dreamed


def test_a_coarse_dream_lies_over_the_detail_of_its_frame() -> None:
    frame = cv2.resize(data.chelsea(), (320, 240))
    small = cv2.resize(frame, (80, 60), interpolation=cv2.INTER_AREA)
    assert np.abs(with_detail(small, frame).astype(int) - frame).max() <= 1  # nothing dreamed: the frame itself
    lighter = with_detail(np.clip(small.astype(int) + 20, 0, 255).astype(np.uint8), frame)
    assert abs(float((lighter.astype(int) - frame)[frame < 200].mean()) - 20) < 2
