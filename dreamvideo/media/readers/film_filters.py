"""Builds the filters by which ffmpeg turns a film's frames into full-range RGB: progressive, in one shape and size."""

from __future__ import annotations

from fractions import Fraction

from .. import ffmpeg
from ..colour_tags import FULL, LIMITED
from ..info import Info
from ..interlace import Fields
from ..probe import ProbedFilm

# PQ or HLG light → linear → BT.709 primaries → tone curve → BT.709 signal; 203 nits is reference white (ITU-R BT.2408)
TONEMAP = (
    "zscale=t=linear:npl=203,format=gbrpf32le,zscale=p=bt709,tonemap=mobius:desat=0,"
    "zscale=t=bt709:m=bt709:r=pc,format=gbrp16le"
)


def filters(film: ProbedFilm, info: Info, fields: Fields, pixel_format: str) -> str:
    """Return ffmpeg's filters, from decoded frames to frames of a given size and format.

    Args:
        film: what is decoded.
        info: whose size the frames get.
        fields: of an interlaced film that is to be made progressive; empty to leave it as it is.
        pixel_format: FFmpeg's name of the one wanted.
    """
    chain = ["showinfo=checksum=0", "setpts=N"]
    if fields:
        chain += [*([f"setfield={fields}"] if fields != "auto" else []), "bwdif=mode=send_frame:deint=all"]
    if film.hdr:
        chain += [_tags(film), *(["format=gbrp16le"] if film.kind == "rgb" else []), TONEMAP]
    elif film.kind == "grey" and film.limited and not film.alpha:
        chain.append("zscale=rin=limited:r=full")  # swscale takes grey for full
    chain.append(_scale(film, info))
    return ",".join([*chain, f"format={pixel_format}"])


def _tags(film: ProbedFilm) -> str:
    """Return a filter that fills in the colour tags, without which zscale refuses to convert."""
    colour = film.colour
    matrix = "gbr" if film.kind == "rgb" else str(colour.matrix)
    light = f"color_primaries={colour.primaries}:color_trc={colour.transfer}"
    return f"setparams=colorspace={matrix}:{light}:range={LIMITED if film.limited else FULL}"


def _scale(film: ProbedFilm, info: Info) -> str:
    """Return filters that scale to the wanted size; frames of another shape than the first get bars."""
    matrix = ""
    if film.kind == "yuv" and not film.hdr:
        matrix = f":in_color_matrix={film.colour.matrix}:in_range={film.colour.range}"
    shape = Fraction(film.width, film.height) * film.aspect
    wider = f"(iw*sar/ih/({float(shape):.9f}))"  # how much wider a frame's picture is than the first frame's
    same = f"eq(iw,{film.width})*eq(ih,{film.height})+lt(abs({wider}-1),0.005)"
    width = f"if({same},{info.width},2*round({info.width}*min(1,{wider})/2))"
    height = f"if({same},{info.height},2*round({info.height}*min(1,1/{wider})/2))"
    scale = f"scale=w='{width}':h='{height}':out_range={FULL}:flags={ffmpeg.SCALER_FLAGS}{matrix}"
    return f"{scale},pad={info.width}:{info.height}:-1:-1"
