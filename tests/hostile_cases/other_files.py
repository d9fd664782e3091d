"""Inputs that name other files, or are no plain files: playlists, addresses, pipes, devices, folders."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

from .case import Case, Fill


def playlists(made: dict[str, bytes], port: int) -> Iterator[Case]:
    """Playlists and addresses that name other files, here or elsewhere: none of these may be opened."""
    there = f"http://127.0.0.1:{port}/a.ts"
    for label, other in (("here", "a.ts"), ("elsewhere", there), ("the system's", "/etc/passwd")):
        path = other if "://" in other else f"file:{other}"
        scripts = {
            "a.m3u8": f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:0.6,\n{other}\n#EXT-X-ENDLIST\n",
            "master.m3u8": f"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{other}\n",
            "key.m3u8": f'#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI="{other}"\n#EXTINF:1,\na.ts\n',
            "a.ffconcat": f"ffconcat version 1.0\nfile '{other}'\n",
            "a.txt": f"file '{other}'\n",
            "a.sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=a\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n"
            "a=rtpmap:96 H264/90000\n",
            "a.mpd": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
            'mediaPresentationDuration="PT1S" profiles="urn:mpeg:dash:profile:isoff-on-demand:2011"><Period>'
            f'<AdaptationSet><Representation id="0" mimeType="video/mp4" bandwidth="1"><BaseURL>{other}</BaseURL>'
            '<SegmentList duration="1"><SegmentURL media=""/></SegmentList></Representation></AdaptationSet>'
            "</Period></MPD>",
            "a.pls": f"[playlist]\nFile1={other}\nNumberOfEntries=1\n",
            "a.asx": f'<asx version="3.0"><entry><ref href="{other}"/></entry></asx>',
            "a.svg": f'<svg xmlns="http://www.w3.org/2000/svg"><image href="{path}"/></svg>',
        }
        for name, text in scripts.items():
            files = {name: text.encode(), "a.ts": made["a.ts"]}
            yield Case("playlists", f"{name} of what is {label}", files, [name], wants="refuse")
        disguised = {"a.mp4": scripts["a.m3u8"].encode(), "a.ts": made["a.ts"], "a.png": made["a.png"]}
        yield Case("playlists", f"m3u8 as mp4 of what is {label}", disguised, ["a.mp4"], wants="refuse")
        for flag in ("--mask", "--guide", "--music"):
            words = ["a.png", "--seconds", "0.3", flag, "a.mp4"]
            yield Case("playlists", f"m3u8 as {flag} of what is {label}", disguised, words, wants="refuse")
    for address in (
        there,
        f"tcp://127.0.0.1:{port}",
        "concat:a.ts|a.ts",
        "file:a.ts",
        "pipe:0",
        "-",
        "",
        "subfile:a.ts",
    ):
        yield Case("playlists", f"the input {address!r}", {"a.ts": made["a.ts"]}, [address])
        words = ["a.png", "--seconds", "0.3", "--music", address]
        yield Case("playlists", f"the song {address!r}", {"a.png": made["a.png"]}, words)


def no_files(made: dict[str, bytes]) -> Iterator[Case]:
    """Give paths that exist but are no plain files, or cannot be read."""

    def pipe(name: str) -> Fill:
        return lambda folder: os.mkfifo(folder / name)

    def listening(folder: Path) -> None:
        with socket.socket(socket.AF_UNIX) as taken:
            taken.bind(os.path.relpath(folder / "a.mp4"))

    def secret(folder: Path) -> None:
        (folder / "a.mp4").chmod(0)

    def linked(to: str) -> Fill:
        return lambda folder: (folder / "a.mp4").symlink_to(to)

    still = {"a.png": made["a.png"]}
    for suffix, out in ((".mp4", "out.mp4"), (".png", "out.png"), (".webp", "out.png")):
        yield Case("no files", f"a pipe called a{suffix}", {}, [f"a{suffix}"], out, "refuse", pipe(f"a{suffix}"))
        yield Case("no files", f"a folder called a{suffix}", {f"a{suffix}/x": b""}, [f"a{suffix}"], out, "refuse")
    for flag in ("--mask", "--guide", "--music", "--cuts", "--recipe", "--weights"):
        for what, fill in (("a pipe", pipe("a.mp4")), ("/dev/zero", linked("/dev/zero")), ("a socket", listening)):
            if what == "a pipe" and flag in ("--cuts", "--recipe"):  # a shell's <(…) is one
                continue
            words = ["a.png", "--seconds", "0.3", flag, "a.mp4"]
            yield Case("no files", f"{what} as {flag}", still, words, wants="refuse", fill=fill)
        yield Case("no files", f"a folder as {flag}", {**still, "d/x": b""}, ["a.png", flag, "d"], "out.png", "refuse")
        yield Case("no files", f"nothing as {flag}", still, ["a.png", flag, "gone"], "out.png", "refuse")
    for device in ("/dev/null", "/dev/zero", "/dev/urandom", "/dev/tty", "/dev/stdin"):
        yield Case("no files", device, {}, [device], wants="refuse")
        yield Case("no files", f"a.mp4 to {device}", {}, ["a.mp4"], wants="refuse", fill=linked(device))
    yield Case("no files", "a socket", {}, ["a.mp4"], wants="refuse", fill=listening)
    yield Case("no files", "a link to nowhere", {}, ["a.mp4"], wants="refuse", fill=linked("gone"))
    yield Case("no files", "a link to itself", {}, ["a.mp4"], wants="refuse", fill=linked("a.mp4"))
    yield Case("no files", "nothing", {}, ["gone.mp4"], wants="refuse")
    yield Case("no files", "/proc/self/mem", {}, ["/proc/self/mem"], wants="refuse")
    yield Case("no files", "not to be read", {"a.mp4": made["a.mp4"]}, ["a.mp4"], fill=secret)
    for word in (".", "..", "/"):
        yield Case("no files", f"the folder {word}", {}, [word], wants="refuse")
    yield Case("no files", "a path through a file", {"a.mp4": made["a.mp4"]}, ["a.mp4/b.mp4"], wants="refuse")
    yield Case("no files", "a path beyond all lengths", {}, ["a/" * 3000 + "a.mp4"], wants="refuse")
