"""The tables of the README that the table of protocols knows better than anybody.

Each stands between two comments, `<!-- made: NAME -->` and `<!-- end -->`, and is written by
`python -m media_docs`.
"""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from media_api.play_urls import play_urls, publish_urls
from media_api.protocols import ROWS, Protocol, Role, usual_listeners

README = Path(__file__).resolve().parents[3] / "README.md"
END = "<!-- end -->"


def addresses() -> str:
    """Where to watch and to publish, with the ports of `make run`."""
    usual = usual_listeners()
    http = usual["http"][1].unprivileged
    ports = {name: item.unprivileged or 0 for name, (_, item) in usual.items()}
    lines = ["| watch | |", "|---|---|"]
    lines += [
        f"| {one.title} | `{one.url}` |" for one in play_urls("NAME", f"http://HOST:{http}", ports)
    ]
    lines += ["", "| publish | | in OBS |", "|---|---|---|"]
    for one in publish_urls("NAME", f"http://HOST:{http}", ports):
        fields = f"server `{one.server}`, stream key `{one.key}`" if one.server else ""
        lines.append(f"| {one.title} | `{one.url}` | {fields} |")
    return "\n".join(lines)


def served() -> str:
    """What each protocol can do; those that can nothing in one line below."""
    lines = ["| protocol | watch | publish | source | push |", "|---|---|---|---|---|"]
    for row in ROWS:
        if row.is_served and row.name != "http":
            ways = (_flag(row.play), _flag(row.publish), _urls(row.pull), _urls(row.push))
            lines.append(f"| {' | '.join((row.title, *ways))} |")
    nothing = ", ".join(_name(row) for row in ROWS if not row.is_served)
    return "\n".join([*lines, "", f"Known to configurations and not served: {nothing}."])


def _name(row: Protocol) -> str:
    schemes = {s for role in (row.pull, row.push) if role for s in role.schemes}
    plain = sorted(schemes - {f"{scheme}s" for scheme in schemes} - {row.name})
    return f"{row.title} ({', '.join(f'`{s}`' for s in plain)})" if plain else row.title


def _flag(role: Role | None) -> str:
    return "" if role is None else "yes" if role.served else "not yet"


def _urls(role: Role | None) -> str:
    if role is None or not role.served:
        return _flag(role)
    return " ".join(f"`{scheme}`" for scheme in _folded(role.schemes))


def _folded(schemes: Iterable[str]) -> list[str]:
    """`hls`, `hlss` as `hls(s)`."""
    every = set(schemes)
    secure = {f"{scheme}s" for scheme in every} & every
    return [
        f"{scheme}(s)" if f"{scheme}s" in secure else scheme
        for scheme in schemes
        if scheme not in secure
    ]


TABLES: dict[str, Callable[[], str]] = {"addresses": addresses, "protocols": served}


def render(text: str, tables: Mapping[str, Callable[[], str]] = TABLES) -> str:
    """`text` with its tables made anew; raises ValueError where a mark is missing."""
    for name, table in tables.items():
        begin = f"<!-- made: {name} -->"
        before, found, rest = text.partition(begin)
        _, end, after = rest.partition(END)
        if not found or not end:
            raise ValueError(f"{begin} … {END} is missing")
        text = f"{before}{begin}\n{table()}\n{END}{after}"
    return text
