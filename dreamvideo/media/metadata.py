"""The recipe inside the file it made: a comment in films and GIFs, in JPEG, PNG and TIFF, XMP in WebP.

OpenCV writes pictures without text, so the few bytes each format wants for it are put in here, between what it wrote.
"""

from __future__ import annotations

import html
import re
import struct
import zlib
from pathlib import Path

from ..errors import SourceError
from .local_files import check_file, open_container
from .paths import holds_frames, sequence_files

KEYWORD = b"Comment"  # PNG's registered keyword for it
DESCRIPTION = 270  # TIFF tag ImageDescription
VP8X_XMP = 0x04  # WebP: the file carries XMP


def with_comment(data: bytes, comment: str) -> bytes:
    """Return an encoded picture or GIF with a comment in it; data of another format as it is."""
    text = comment.encode()
    if data.startswith(b"\x89PNG"):
        return _png(data, text)
    if data.startswith(b"\xff\xd8"):
        return data[:2] + b"\xff\xfe" + struct.pack(">H", len(text) + 2) + text + data[2:]
    if data.startswith(b"GIF8"):
        blocks = b"".join(bytes([len(part)]) + part for part in _parts(text, 255))
        at = 13 + (3 << (data[10] & 7) + 1 if data[10] & 0x80 else 0)  # behind the header and its palette
        return data[:at] + b"\x21\xfe" + blocks + b"\0" + data[at:]
    if data.startswith(b"II*\0"):
        return _tiff(data, text)
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return _webp(data, text)
    return data


def read_recipe(path: str) -> str:
    """Return the recipe a render left in its output, as TOML.

    Raises:
        SourceError: the file cannot be read, or no recipe is in it.
    """
    file = sequence_files(path)[0] if holds_frames(path) else Path(path)
    check_file(file)
    try:
        text = _comment(file)
    except (IndexError, struct.error):  # the field is cut off, or says so
        text = ""
    if "[dream]" not in text:
        raise SourceError(f"{path} carries no recipe: only files made by dreamvideo do")
    return text


def _comment(file: Path) -> str:
    with open(file, "rb") as opened:
        head = opened.read(16)
    if head.startswith((b"\x89PNG", b"\xff\xd8", b"GIF8", b"II*\0", b"RIFF")) and head[8:12] != b"AVI ":
        return _text(file.read_bytes())
    import av

    try:
        with open_container(str(file)) as container:
            tags = {key.lower(): value for key, value in container.metadata.items()}
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise SourceError(f"{file} cannot be read: is it a file dreamvideo made?") from error
    return tags.get("comment", "")


def _text(data: bytes) -> str:
    """Find the recipe's text in a picture: from its first section to the end of the field that holds it."""
    start = data.find(b"[network]")
    if start < 0:
        return ""
    if data.startswith(b"GIF8"):  # a byte of length before every 255 of text
        start = data.rfind(b"\x21\xfe", 0, start) + 2
        text = b""
        while length := data[start]:
            text += data[start + 1 : start + 1 + length]
            start += 1 + length
    elif data.startswith(b"\x89PNG"):
        chunk = data.rfind(b"iTXt", 0, start)
        text = data[start : chunk + 4 + struct.unpack(">I", data[chunk - 4 : chunk])[0]]
    elif data.startswith(b"\xff\xd8"):
        mark = data.rfind(b"\xff\xfe", 0, start)
        text = data[start : mark + 2 + struct.unpack(">H", data[mark + 2 : mark + 4])[0]]
    else:
        text = re.split(rb"[\0<]", data[start:], maxsplit=1)[0]
    found = text.decode(errors="replace")
    return html.unescape(found) if data.startswith(b"RIFF") else found


def _parts(text: bytes, size: int) -> list[bytes]:
    return [text[i : i + size] for i in range(0, len(text), size)]


def _png(data: bytes, text: bytes) -> bytes:
    body = b"iTXt" + KEYWORD + b"\0\0\0\0\0" + text
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    return data[:33] + chunk + data[33:]  # right behind the signature and IHDR


def _tiff(data: bytes, text: bytes) -> bytes:
    """Append a copy of the (one) directory with a description in it, and point the header there."""
    (at,) = struct.unpack("<I", data[4:8])
    (count,) = struct.unpack("<H", data[at : at + 2])
    entries = _parts(data[at + 2 : at + 2 + 12 * count], 12)
    data += b"\0" * (len(data) % 2)
    directory = len(data)
    behind = directory + 2 + 12 * (count + 1) + 4
    entries.append(struct.pack("<HHII", DESCRIPTION, 2, len(text) + 1, behind))
    entries.sort(key=lambda entry: struct.unpack("<H", entry[:2]))
    packed = struct.pack("<H", len(entries)) + b"".join(entries) + b"\0\0\0\0" + text + b"\0"
    return data[:4] + struct.pack("<I", directory) + data[8:] + packed


def _webp(data: bytes, text: bytes) -> bytes:
    packet = (
        b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>" + html.escape(text.decode(), quote=False).encode() + b"</x:xmpmeta>"
    )
    chunk = b"XMP " + struct.pack("<I", len(packet)) + packet + b"\0" * (len(packet) % 2)
    body = data[12:]
    if body.startswith(b"VP8X"):
        body = body[:8] + bytes([body[8] | VP8X_XMP]) + body[9:]
    else:  # the simple form holds one chunk: give it the extended header, which wants the size
        width, height = _webp_size(body)
        sides = struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
        body = b"VP8X" + struct.pack("<I", 10) + bytes([VP8X_XMP, 0, 0, 0]) + sides + body
    body += chunk
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def _webp_size(body: bytes) -> tuple[int, int]:
    if body.startswith(b"VP8L"):
        bits = struct.unpack("<I", body[9:13])[0]
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    width, height = struct.unpack("<HH", body[14:18])
    return width & 0x3FFF, height & 0x3FFF
