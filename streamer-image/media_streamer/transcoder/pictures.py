"""Filters of pictures: cut, deinterlaced, overlaid, scaled, padded.

Role: build FFmpeg's graph for the pictures that come, anew when their size or format changes.
"""

from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

import av
from av.filter import Graph

from media_streamer.transcoder.errors import EncoderRefused
from media_streamer.transcoder.geometry import Geometry, fit
from media_streamer.wire.frame import TIME_BASE
from media_streamer.wire.transcoding import Decoding, Overlay, Rendition

PICTURE_BASE = Fraction(1, TIME_BASE)
_MATRICES = {1: "bt709", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 9: "bt2020nc"}
"""Names of the matrices (Rec. ITU-T H.273 table 4) that a scaler must know."""
_RANGES = {1: "tv", 2: "pc"}

Build = Callable[[Graph, Any, av.VideoFrame, Fraction], Any]
"""Adds filters behind one: graph, last filter, a picture, its sample aspect ratio; the last one."""


class Pictures:
    """A chain of filters."""

    def __init__(self, build: Build) -> None:
        self._build = build
        self._graph: Graph | None = None
        self._shape: tuple[object, ...] = ()

    def push(self, picture: av.VideoFrame, sar: Fraction) -> Iterator[av.VideoFrame]:
        """Pictures that come out, with stamps in ticks. Raises FFmpegError or ValueError."""
        shape = (picture.width, picture.height, picture.format.name, sar, picture.colorspace)
        if shape != self._shape or self._graph is None:
            yield from self.flush()
            self._graph, self._shape = self._new(picture, sar), shape
        self._graph.vpush(picture)
        yield from self._taken(self._graph)

    def flush(self) -> Iterator[av.VideoFrame]:
        """What the filters still hold; they begin anew with the next picture."""
        graph, self._graph = self._graph, None
        if graph is not None:
            graph.vpush(None)
            yield from self._taken(graph)

    def _new(self, picture: av.VideoFrame, sar: Fraction) -> Graph:
        graph = Graph()
        graph.threads = 1
        colours = {}
        if picture.colorspace in _MATRICES:
            colours["colorspace"] = _MATRICES[picture.colorspace]
        if picture.color_range in _RANGES:
            colours["range"] = _RANGES[picture.color_range]
        source = graph.add(
            "buffer",
            video_size=f"{picture.width}x{picture.height}",
            pix_fmt=picture.format.name,
            time_base=f"1/{TIME_BASE}",
            pixel_aspect=f"{sar.numerator}/{sar.denominator}",
            **colours,
        )
        last = self._build(graph, source, picture, sar)
        last.link_to(graph.add("buffersink"))
        graph.configure()
        return graph

    @staticmethod
    def _taken(graph: Graph) -> Iterator[av.VideoFrame]:
        while True:
            try:
                picture = graph.vpull()
            except (av.BlockingIOError, av.EOFError):
                return
            base = picture.time_base
            if base and base != PICTURE_BASE and picture.pts is not None:
                # Deinterlacing by fields counts half ticks.
                picture.pts = round(picture.pts * base * TIME_BASE)
                picture.time_base = PICTURE_BASE
            yield picture


def source_pictures(wish: Decoding) -> Pictures | None:
    """What is done once to all pictures of the source; None if nothing is."""
    crop = wish.crop
    if crop is None and not wish.deinterlace and not wish.pix_fmt:
        return None

    def build(graph: Graph, last: Any, picture: av.VideoFrame, sar: Fraction) -> Any:
        if wish.deinterlace:
            mode = "send_field" if wish.fields else "send_frame"
            last = _then(graph, last, wish.deinterlace, mode=mode, deint="interlaced")
        if crop is not None:
            left, top = min(crop.left, picture.width - 2), min(crop.top, picture.height - 2)
            width = min(crop.width or picture.width, picture.width - left)
            height = min(crop.height or picture.height, picture.height - top)
            size = {"w": width & ~1 or 2, "h": height & ~1 or 2, "x": left, "y": top}
            last = _then(graph, last, "crop", **{key: str(value) for key, value in size.items()})
        if wish.pix_fmt:
            last = _then(graph, last, "format", pix_fmts=wish.pix_fmt)
        return last

    return Pictures(build)


def geometry_of(wish: Rendition, width: int, height: int, sar: Fraction) -> Geometry:
    """The way of this source's pictures to the rendition's size."""
    return fit(width, height, sar, wish.size, Fraction(*wish.sar) if wish.sar else None)


def rendition_pictures(wish: Rendition, target: Geometry) -> Pictures:
    """What is done to the pictures of one rendition.

    `target` is what the encoder was opened for: pictures of another size are brought to it too.
    """

    def build(graph: Graph, last: Any, picture: av.VideoFrame, sar: Fraction) -> Any:
        for logo in wish.logos:
            last = _overlay(graph, last, logo)
        way = geometry_of(wish, picture.width, picture.height, sar)
        if (way.width, way.height) != (target.width, target.height):
            way = Geometry(target.width, target.height, target.width, target.height, target.sar)
        if wish.size is not None and wish.size.background == "blur" and way.pads:
            last = _blurred(graph, last, way)
        else:
            last = _resized(graph, last, way, picture, wish)
        last = _then(graph, last, "setsar", sar=f"{target.sar.numerator}/{target.sar.denominator}")
        for logo in wish.alogos:
            last = _overlay(graph, last, logo)
        last = _then(graph, last, "format", pix_fmts=wish.pix_fmt)
        if wish.interlace:
            last = _then(graph, last, "setfield", mode=wish.interlace)
        return last

    return Pictures(build)


def _then(graph: Graph, last: Any, name: str, **options: str) -> Any:
    added = graph.add(name, **options)
    last.link_to(added)
    return added


def _resized(
    graph: Graph, last: Any, way: Geometry, picture: av.VideoFrame, wish: Rendition
) -> Any:
    if (way.scaled_width, way.scaled_height) != (picture.width, picture.height):
        last = _scaled(graph, last, way.scaled_width, way.scaled_height, bool(wish.interlace))
    if way.cuts:
        last = _then(graph, last, "crop", w=str(way.width), h=str(way.height))
    if way.pads:
        colour = wish.size.background if wish.size else "black"
        last = _padded(graph, last, way, colour)
    return last


def _scaled(graph: Graph, last: Any, width: int, height: int, fields: bool) -> Any:
    """`fields`: each field for itself, where pictures are made of them."""
    by_field = {"interl": "-1"} if fields else {}
    return _then(graph, last, "scale", w=str(width), h=str(height), flags="bicubic", **by_field)


def _padded(graph: Graph, last: Any, way: Geometry, colour: str) -> Any:
    # Even offsets: chroma has half the resolution.
    x = (way.width - way.scaled_width) // 4 * 2
    y = (way.height - way.scaled_height) // 4 * 2
    return _then(
        graph, last, "pad", w=str(way.width), h=str(way.height), x=str(x), y=str(y), color=colour
    )


def _blurred(graph: Graph, last: Any, way: Geometry) -> Any:
    """The picture on itself, larger and without sharpness."""
    factor = max(way.width / way.scaled_width, way.height / way.scaled_height)
    split = _then(graph, last, "split")
    behind = graph.add(
        "scale",
        w=str(max(way.width, 2 * round(way.scaled_width * factor / 2))),
        h=str(max(way.height, 2 * round(way.scaled_height * factor / 2))),
        flags="fast_bilinear",
    )
    split.link_to(behind, 0, 0)
    behind = _then(graph, behind, "crop", w=str(way.width), h=str(way.height))
    behind = _then(graph, behind, "gblur", sigma="20")
    front = graph.add("scale", w=str(way.scaled_width), h=str(way.scaled_height), flags="bicubic")
    split.link_to(front, 1, 0)
    laid = graph.add("overlay", x="(W-w)/2", y="(H-h)/2")
    behind.link_to(laid, 0, 0)
    front.link_to(laid, 0, 1)
    return laid


_CORNERS = {
    "tl": ("{x}", "{y}"),
    "tr": ("W-w-{x}", "{y}"),
    "bl": ("{x}", "H-h-{y}"),
    "br": ("W-w-{x}", "H-h-{y}"),
    "c": ("(W-w)/2+{x}", "(H-h)/2+{y}"),
}


def _overlay(graph: Graph, last: Any, logo: Overlay) -> Any:
    try:
        movie = graph.add("movie", filename=logo.path)
    except av.FFmpegError as error:
        raise EncoderRefused(f"the logo {logo.path} cannot be read: {error.strerror}") from error
    x, y = (text.format(x=logo.x, y=logo.y) for text in _CORNERS[logo.corner])
    laid = graph.add("overlay", x=x, y=y, eof_action="repeat")
    last.link_to(laid, 0, 0)
    movie.link_to(laid, 0, 1)
    return laid
