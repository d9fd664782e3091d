"""Inputs and outputs with special characters in their names."""

from __future__ import annotations

import os
from collections.abc import Iterator

from .case import Case

NAMES = {
    "a b": "render", "'a'": "render", '"a"': "render", "a\nb": "render", "a\tb": "render", "a%d": "render",
    "100%": "render", "%s%n": "render", "a*b": "render", "a?b": "render", "[a]": "render", "[1-3]": "render",
    "a{1,2}": "render", "é": "render", "e\u0301": "render", "夢": "render", "🦊": "render", "a:b": "render",
    "http:": "render", "c:\\a": "render", "file:a": "render", "pipe:1": "render", "concat:a|b": "render",
    "data:,a": "render", "a;b": "render", "$HOME": "render", "`a`": "render", "a&b": "render", "#a": "render",
    "~": "render", "a=b": "render", "a,b": "render", "a..b": "render", ".hidden": "render", "x" * 200: "render",
    "x" * 300: "refuse", "夢" * 80: "render", "\u202ea": "render", "a\\": "render", "noise:": "render",
    "-a": "", "--size": "", "\udcff": "", "show": "render", "a ": "render", " a": "render",
}  # fmt: skip


def names(made: dict[str, bytes]) -> Iterator[Case]:
    """Give inputs and outputs names that some program takes for more than a name."""
    for name, wants in NAMES.items():
        for suffix, out in ((".mp4", "out.mp4"), (".png", "out.png"), (".gif", "out.gif")):
            if suffix != ".mp4" and not set(name) & set("%*?[{:\n\udcff"):
                continue
            called = f"{name}{suffix}"
            there = {} if len(os.fsencode(called)) > 255 else {called: made[f"a{suffix}"]}
            yield Case("names in", repr(called)[:60], there, [called], out, wants)
        yield Case("names out", repr(name)[:60], {"a.mp4": made["a.mp4"]}, ["a.mp4"], f"{name}.mp4", wants)
        if set(name) & set("%*?[{:\n\udcff"):
            yield Case("names out", f"{name!r} still", {"a.png": made["a.png"]}, ["a.png"], f"{name}.png")
    for folder in ("g%d [b]", "a*", "[1]", "{a}", "a:b", "-f", "夢 🦊", "a\nb"):
        files = {f"{folder}/{k}.png": made["a.png"] for k in (1, 2)}
        plain = f"./{folder}"  # or a dash is a flag
        wants = "render"
        yield Case("names in", f"folder {folder!r}", files, [plain], "out.mp4", wants)
        yield Case("names in", f"folder {folder!r}/", files, [f"{plain}/"], "out.mp4", wants)
        yield Case("names in", f"pattern in {folder!r}", files, [f"{plain}/%d.png"], "out.mp4", wants)
        yield Case("names in", f"still in {folder!r}", files, [f"{plain}/1.png"], "out.png", wants)
        yield Case("names in", f"glob in {folder!r}", files, [f"{plain}/*.png"], "out.mp4")
