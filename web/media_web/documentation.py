"""The documentation, served under `/docs` by both programs where `make docs` has made it.

Invariant: only files of the site are found, so the path of a stream named `docs` stays its own.
"""

from pathlib import Path

SITE = Path(__file__).parent / "site"
PREFIX = "docs"
HEADERS = {
    "Content-Security-Policy": "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "connect-src 'self'",  # the page on REST tries operations
            "img-src 'self' data:",
            "frame-ancestors 'self'",
            "base-uri 'none'",
            "form-action 'self'",
        )
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-cache",
}


def is_made() -> bool:
    """Whether there is a documentation to lead readers to."""
    return find_page(PREFIX) is not None


def find_page(path: str, site: Path = SITE) -> Path | None:
    """The file of a decoded path without its first slash: `docs`, `docs/how-to/obs.html`.

    None: the documentation has no such file, or was not made.
    """
    first, _, rest = path.partition("/")
    if first != PREFIX or "\0" in rest:
        return None
    try:
        file = (site / (rest or "index.html")).resolve()
        return file if file.is_relative_to(site.resolve()) and file.is_file() else None
    except OSError:  # a name longer than names may be
        return None
