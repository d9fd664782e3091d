"""Writes the recipe into output files and reads it back: films, GIF, JPEG, PNG, TIFF and WebP carry it as a text.

FFmpeg writes the comment of films. OpenCV writes pictures without text, and a GIF or animated WebP comes from FFmpeg
without it, so the bytes that these formats need are inserted here. Reading is Pillow's and PyAV's work.
"""

from __future__ import annotations

import html
import re
import struct
import warnings
import zlib
from pathlib import Path
from typing import Any

from ..errors import SourceError
from .local_files import check_file, open_container
from .paths import holds_frames, sequence_files
from .readers.picture_file import as_source_error, open_header

PNG, JPEG, GIF, TIFF, RIFF = b"\x89PNG", b"\xff\xd8", b"GIF8", b"II*\0", b"RIFF"  # how the files begin
PNG_HEADER = 33  # bytes of signature and IHDR chunk
PNG_KEYWORD = b"Comment"  # registered in the PNG specification
JPEG_COM = b"\xff\xfe"
MAX_COM = 2**16 - 3  # bytes of text in a JPEG's comment segment; a longer comment takes several
GIF_COMMENT = b"\x21\xfe"
GIF_BLOCK = 255  # bytes of text in a block
TIFF_DESCRIPTION = 270  # tag ImageDescription
WEBP_HAS_XMP = 0x04  # flag in the VP8X chunk


def with_comment(data: bytes, comment: str) -> bytes:
    """Return an encoded picture or animation with a comment in it; unchanged if it is of another format.

    Args:
        data: PNG, JPEG, GIF, TIFF (little-endian, one page) or WebP, without a comment.
        comment: any text.
    """
    text = comment.encode()
    if data.startswith(PNG):
        return _png(data, text)
    if data.startswith(JPEG):
        return _jpeg(data, text)
    if data.startswith(GIF):
        return _gif(data, text)
    if data.startswith(TIFF):
        return _tiff(data, text)
    if _is_webp(data):
        return _webp(data, text)
    return data


def read_recipe(path: str) -> str:
    """Return the recipe that a render wrote into its output, as TOML.

    Args:
        path: a film, a picture, or a frame sequence, whose first frame is read.

    Raises:
        SourceError: the file cannot be read, or contains no recipe.
    """
    file = sequence_files(path)[0] if holds_frames(path) else Path(path)
    check_file(file)
    text = _read_comment(file)
    if "[dream]" not in text:
        raise SourceError(f"{path} carries no recipe: only files made by dreamvideo do")
    return text


def _read_comment(file: Path) -> str:
    with as_source_error(file), open(file, "rb") as opened:
        head = opened.read(16)
    if head.startswith((PNG, JPEG, GIF, TIFF)) or _is_webp(head):
        return _picture_comment(file)
    import av

    try:
        with open_container(str(file)) as container:
            tags = {key.lower(): value for key, value in container.metadata.items()}
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise SourceError(f"{file} cannot be read: is it a file dreamvideo made?") from error
    return tags.get("comment", "")


def _picture_comment(file: Path) -> str:
    """Return the comment of a picture or animation; empty if it has none, or is damaged before it."""
    try:
        with warnings.catch_warnings(action="ignore"), as_source_error(file), open_header(file) as image:
            return _text(_field(image))
    except SourceError:
        return ""


def _field(image: Any) -> str | bytes:
    """Return the field in which `with_comment` writes, as Pillow reads it."""
    if image.format == "JPEG":
        return b"".join(data for marker, data in image.applist if marker == "COM")
    if image.format == "TIFF":
        return image.tag_v2.get(TIFF_DESCRIPTION, "").encode("latin-1")  # Pillow takes UTF-8 for Latin-1
    if image.format == "WEBP":
        packet = image.info.get("xmp", b"").decode(errors="replace")
        return html.unescape(re.sub("<[^>]*>", "", packet))
    return image.info.get("Comment") or image.info.get("comment", "")  # of PNG, of GIF


def _text(field: str | bytes) -> str:
    return field.decode(errors="replace") if isinstance(field, bytes) else str(field)


def _parts(data: bytes, size: int) -> list[bytes]:
    return [data[i : i + size] for i in range(0, len(data), size)]


def _png(data: bytes, text: bytes) -> bytes:
    body = b"iTXt" + PNG_KEYWORD + b"\0\0\0\0\0" + text
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    return data[:PNG_HEADER] + chunk + data[PNG_HEADER:]


def _jpeg(data: bytes, text: bytes) -> bytes:
    segments = [JPEG_COM + struct.pack(">H", len(part) + 2) + part for part in _parts(text, MAX_COM)]
    return data[:2] + b"".join(segments) + data[2:]


def _gif(data: bytes, text: bytes) -> bytes:
    blocks = b"".join(bytes([len(part)]) + part for part in _parts(text, GIF_BLOCK))
    palette = 3 << (data[10] & 7) + 1 if data[10] & 0x80 else 0  # bytes of the global one
    at = 13 + palette
    return data[:at] + GIF_COMMENT + blocks + b"\0" + data[at:]


def _tiff(data: bytes, text: bytes) -> bytes:
    """Append a copy of the directory with a description in it, and point the header there."""
    (at,) = struct.unpack("<I", data[4:8])
    (count,) = struct.unpack("<H", data[at : at + 2])
    entries = _parts(data[at + 2 : at + 2 + 12 * count], 12)
    data += b"\0" * (len(data) % 2)
    directory = len(data)
    text_at = directory + 2 + 12 * (count + 1) + 4
    entries.append(struct.pack("<HHII", TIFF_DESCRIPTION, 2, len(text) + 1, text_at))
    entries.sort(key=lambda entry: struct.unpack("<H", entry[:2]))
    packed = struct.pack("<H", len(entries)) + b"".join(entries) + b"\0\0\0\0" + text + b"\0"
    return data[:4] + struct.pack("<I", directory) + data[8:] + packed


def _is_webp(data: bytes) -> bool:
    return data.startswith(RIFF) and data[8:12] == b"WEBP"


def _webp(data: bytes, text: bytes) -> bytes:
    escaped = html.escape(text.decode(), quote=False).encode()
    packet = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>" + escaped + b"</x:xmpmeta>"
    chunk = b"XMP " + struct.pack("<I", len(packet)) + packet + b"\0" * (len(packet) % 2)
    body = data[12:]
    if body.startswith(b"VP8X"):
        body = body[:8] + bytes([body[8] | WEBP_HAS_XMP]) + body[9:]
    else:  # the simple form holds one chunk: add the extended header, which tells the size
        width, height = _webp_size(body)
        sides = struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
        body = b"VP8X" + struct.pack("<I", 10) + bytes([WEBP_HAS_XMP, 0, 0, 0]) + sides + body
    body += chunk
    return RIFF + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def _webp_size(body: bytes) -> tuple[int, int]:
    if body.startswith(b"VP8L"):
        bits = struct.unpack("<I", body[9:13])[0]
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    width, height = struct.unpack("<HH", body[14:18])
    return width & 0x3FFF, height & 0x3FFF
