"""Damaged files for the commands `show` and `measure`."""

from __future__ import annotations

import random
from collections.abc import Iterator

from .case import Case


def show_and_measure(made: dict[str, bytes]) -> Iterator[Case]:
    """Look for a recipe in damaged files, and measure them."""
    from dreamvideo import Recipe
    from dreamvideo.media.metadata import with_comment

    text = Recipe().to_toml()
    for name in ("a.png", "a.jpg", "a.gif", "a.tif", "a.webp", "moving.webp"):
        whole = with_comment(made[name], text)
        at = max(whole.find(b"[network]"), 20)
        for label, data in {
            "whole": whole, "cut inside": whole[: at + 50], "cut before": whole[: at - 2], "untagged": made[name],
            "cut at its end": whole[:-1], "noise": whole[:at] + random.Random(name).randbytes(400) + whole[at + 400 :],
        }.items():  # fmt: skip
            yield Case("show", f"{name} {label}", {name: data}, ["show", name], "")
    for name in ("a.mp4", "a.wav", "a.mkv"):
        yield Case("show", name, {name: made[name]}, ["show", name], "", "refuse")
        yield Case("show", f"{name} cut", {name: made[name][:300]}, ["show", name], "", "refuse")
    listed = b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\na.ts\n"
    yield Case("show", "a list", {"a.m3u8": listed, "a.ts": made["a.ts"]}, ["show", "a.m3u8"], "", "refuse")
    pair = {"a.mp4": made["a.mp4"], "b.mp4": made["a.mp4"][: len(made["a.mp4"]) * 2 // 3], "c.mp4": b""}
    yield Case("show", "measured against its half", pair, ["measure", "a.mp4", "b.mp4", "--alone", "0"], "")
    yield Case("show", "measured against nothing", pair, ["measure", "a.mp4", "c.mp4"], "", "refuse")
