"""The UI's files as they are sent: compressed once, with a tag, and kept by browsers for a year.

Role: what Central, the streamer's API and the egress workers answer below `/ui/`. There is no build
step, so what changes is the address: pages name the files below `/ui/static/VERSION/`, where
VERSION is a digest of all files, and modules name each other relatively. Below that address a file
never changes and need not be asked for again; below `/ui/static/` itself the browser asks each
time. The page names all modules that its first one imports, so that they come side by side and not
one after another as they are read.

Pure but for reading files. A file that was changed on disk is read anew (development); the version
is that of the start of the program.
"""

import gzip
import hashlib
import mimetypes
import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

STATIC = Path(__file__).parent / "static"
PREFIX = "/ui/static/"
FOREVER = "public, max-age=31536000, immutable"
ASK = "no-cache"
_MIN_PACKED_BYTES = 512
_VERSION_DIGITS = 12
_VERSIONED = re.compile(rf"(?:([0-9a-f]{{{_VERSION_DIGITS}}})/)?(.+)", re.DOTALL)
_FIRST = "app.js"
_IMPORT = re.compile(r'^(?:import|export)\b[^;"]*?\bfrom "(\.[^"]+)"', re.MULTILINE)
# Some machines' registries call it text/plain, and browsers refuse to run that as a module.
_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class Asset:
    """One file. `packed` is its gzip, None where that is not smaller."""

    body: bytes
    packed: bytes | None
    kind: str
    tag: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent."""

    status: int
    headers: dict[str, str]
    body: bytes


@cache
def version() -> str:
    """Digest of all files below STATIC: 12 hexadecimal digits."""
    digest = hashlib.sha256()
    for path in sorted(STATIC.rglob("*")):
        if path.is_file():
            digest.update(f"{path.relative_to(STATIC)}\0".encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:_VERSION_DIGITS]


def address(name: str) -> str:
    """Where pages find a file: `/ui/static/VERSION/NAME`."""
    return f"{PREFIX}{version()}/{name}"


def modules_of(name: str) -> list[str]:
    """All modules that `name` imports at once, and those that they do, in the order of reading."""
    found: dict[str, None] = {}
    left = [name]
    while left:
        module = left.pop(0)
        text = (STATIC / module).read_text("utf-8")
        for path in _IMPORT.findall(text):
            other = posixpath.normpath(posixpath.join(posixpath.dirname(module), path))
            if other not in found and other != name:
                found[other] = None
                left.append(other)
    return list(found)


def index() -> Answer:
    """The page of the application."""
    text = (STATIC / "index.html").read_text("utf-8")
    links = (f'<link rel="modulepreload" href="{PREFIX}{path}" />' for path in modules_of(_FIRST))
    text = text.replace("<!-- modules -->", "\n    ".join(links)).replace(PREFIX, address(""))
    return Answer(200, _headers("text/html; charset=utf-8", ASK), text.encode())


def answer(path: str, request: Mapping[str, str]) -> Answer | None:
    """The answer to a request for `path` (decoded, what follows `/ui/static/`); None: no such file.

    `request` are its headers, of which Accept-Encoding and If-None-Match are looked at.
    """
    parts = _VERSIONED.fullmatch(path)
    found = _find(parts[2]) if parts else None
    if parts is None or found is None:
        return None
    headers = _headers(found.kind, FOREVER if parts[1] == version() else ASK)
    headers |= {"ETag": found.tag, "Vary": "Accept-Encoding"}
    if found.tag in _listed(request.get("If-None-Match", "")):
        return Answer(304, headers, b"")
    if found.packed is not None and _takes_gzip(request.get("Accept-Encoding", "")):
        return Answer(200, headers | {"Content-Encoding": "gzip"}, found.packed)
    return Answer(200, headers, found.body)


def _headers(kind: str, caching: str) -> dict[str, str]:
    return {
        "Content-Type": kind,
        "Cache-Control": caching,
        "X-Content-Type-Options": "nosniff",
    }


def _find(name: str) -> Asset | None:
    root = STATIC.resolve()
    if "\0" in name:
        return None
    file = (root / name).resolve()
    if not file.is_relative_to(root) or not file.is_file():
        return None
    state = file.stat()
    return _read(file, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=256)
def _read(file: Path, _changed: int, _size: int) -> Asset:
    body = file.read_bytes()
    packed = gzip.compress(body, 9, mtime=0) if len(body) >= _MIN_PACKED_BYTES else body
    kind = _TYPES.get(file.suffix) or mimetypes.guess_type(file.name)[0]
    tag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
    smaller = packed if len(packed) < len(body) else None
    return Asset(body, smaller, _with_charset(kind or "application/octet-stream"), tag)


def _with_charset(kind: str) -> str:
    return f"{kind}; charset=utf-8" if kind.startswith("text/") else kind


def _listed(header: str) -> set[str]:
    """Tags of If-None-Match; weak ones compare alike (RFC 9110 section 13.1.2)."""
    return {word.strip().removeprefix("W/") for word in header.split(",")}


def _takes_gzip(header: str) -> bool:
    """Whether gzip is among the codings, and not with q=0 (RFC 9110 section 12.5.3)."""
    for word in header.split(","):
        coding, _, quality = word.strip().lower().partition(";")
        if coding.strip() in ("gzip", "*"):
            return not re.fullmatch(r"\s*q=0(\.0*)?\s*", quality)
    return False
