"""Every stream that this server knows, whoever named it, and what changed since the last look.

Sources, the earlier wins a name: the configuration file (`config`), the configuration backend
(`external`), names that viewers and publishers made under a template's prefix (`user`), streams of
other servers (`remote`). A stream that another server of the cluster captures (`cluster_ingest`) is
pulled from there instead of from its own inputs.

Invariants: a `Stream` object lives as long as its name is known under any configuration, so its
statistics survive a reload; `Changes` names only what differs, and nothing else is touched. A
stream's `config` is what applies (template merged in), `saved` what somebody wrote. What stays as
it was costs a comparison: one name more is one stream made, however many there are.
"""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from media_api.input import InputConfig
from media_api.server import ServerConfig
from media_api.status import NamedBy
from media_api.stream import StreamConfig, TemplateConfig
from media_api.unsupported import asked_in_vain
from media_api.vod import VodConfig
from media_rest.redact import redact
from pydantic import ValidationError

from media_streamer.archive.origin import is_by_frames

JsonObject = dict[str, Any]

MAX_DYNAMIC_STREAMS = 10_000
"""Names that strangers make are bounded: a template with an empty prefix takes any."""
_TEMPLATE_OWN_KEYS = frozenset({"name", "prefixes"})


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """The other server that has a stream."""

    hostname: str
    """As people know it: host and port of a source, name of a peer."""
    url: str = ""
    """Where viewers are sent; empty: they are fed here."""
    via: tuple[str, ...] = ()
    """Servers that it comes through by what they call themselves, the nearest first."""
    captured: bool = False
    """It is a stream of this server, too, which that one captures (`cluster_ingest`)."""


@dataclass(frozen=True, slots=True)
class RemoteStream:
    """A stream of another server, as it is offered here."""

    saved: JsonObject
    elsewhere: Elsewhere


@dataclass(frozen=True, slots=True)
class CapturedElsewhere:
    """Who captures a stream of this server."""

    inputs: list[JsonObject]
    elsewhere: Elsewhere


@dataclass(slots=True, eq=False)
class Stream:
    """One stream: its configuration and what is known about it at run time."""

    name: str
    named_by: NamedBy
    saved: JsonObject
    config: StreamConfig
    stats: JsonObject = field(default_factory=dict)
    problem: str = ""
    """Why no media worker runs it (held in quarantine, refused by the worker)."""
    opening_since: float | None = None
    """Monotonic seconds; None while no input is being opened."""
    used_at: float = field(default_factory=time.monotonic)
    """Last request for it, monotonic seconds: an unused dynamic stream goes."""
    location: VodConfig | None = None
    """Of a file that is played: the location that it is in. It is in no catalog."""
    inherited: JsonObject | None = None
    """Keys of the template that `config` was made with; None without one."""
    elsewhere: Elsewhere | None = None
    """The other server that it is taken from."""
    taken_from: InputConfig | None = None
    """The input by which it was taken from another server, frame by frame, before it got its own
    inputs."""
    taken_until: float = 0.0
    """Monotonic seconds."""
    _effective: JsonObject | None = None
    _redacted: JsonObject | None = None
    _warnings: list[str] | None = None

    def opens(self) -> None:
        """FFmpeg looks into one of its inputs from now on, which is when it crashes."""
        self.opening_since = time.monotonic()

    @property
    def warnings(self) -> list[str]:
        """What of the configuration has no effect, in words."""
        if self._warnings is None:
            self._warnings = [one.text for one in asked_in_vain(self.config)]
        return self._warnings

    @property
    def effective(self) -> JsonObject:
        """JSON of what applies, defaults included; not to be changed."""
        if self._effective is None:
            self._effective = self.config.effective()
        return self._effective

    @property
    def redacted(self) -> JsonObject:
        """The same without secrets, and `config_on_disk`: what a reader of the API may see."""
        if self._redacted is None:
            saved = {} if self.named_by == "remote" else {"config_on_disk": self.saved}
            self._redacted = redact({**self.effective, **saved})
        return self._redacted

    def configure(self, new: "Stream") -> None:
        """Take the configuration of another one."""
        before, after = self.config.inputs[:1], new.config.inputs[:1]
        if before and is_by_frames(before[0]) and not (after and is_by_frames(after[0])):
            self.taken_from, self.taken_until = before[0], time.monotonic()
        self.saved, self.config, self.problem = new.saved, new.config, new.problem
        self.inherited, self.elsewhere = new.inherited, new.elsewhere
        self._effective = self._redacted = self._warnings = None


@dataclass(frozen=True, slots=True)
class Changes:
    """Names by what happened to them."""

    added: frozenset[str] = frozenset()
    removed: frozenset[str] = frozenset()
    changed: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)


class CatalogFull(Exception):  # noqa: N818 - a state, not an error of the caller
    """Strangers made too many dynamic streams."""


def inherit(stream: Mapping[str, Any], template: Mapping[str, Any] | None) -> StreamConfig:
    """What applies to a stream: its own keys, then its template's, then the defaults.

    `%s` in a push URL of the template is the name of the stream. Raises ValidationError.
    """
    name = str(stream["name"])
    base = {k: v for k, v in (template or {}).items() if k not in _TEMPLATE_OWN_KEYS}
    if "pushes" in base:
        base["pushes"] = [
            {**push, "url": str(push.get("url", "")).replace("%s", name)} for push in base["pushes"]
        ]
    return StreamConfig.model_validate({**base, **stream})


class Catalog:
    """Not thread-safe: it lives on the supervisor's loop."""

    def __init__(self) -> None:
        self.config = ServerConfig()
        self.streams: dict[str, Stream] = {}
        self._templates: dict[str, TemplateConfig] = {}
        self._template_keys: dict[str, JsonObject] = {}
        self._own: dict[str, JsonObject] = {}
        self._external: dict[str, JsonObject] = {}
        self._user: dict[str, str] = {}
        self._remote: dict[str, RemoteStream] = {}
        self._captured: dict[str, CapturedElsewhere] = {}

    def set_config(self, config: ServerConfig) -> Changes:
        """A new configuration file; returns what it changes."""
        self.config = config
        self._own = {stream.name: stream.explicit() for stream in config.streams}
        self._templates = {template.name: template for template in config.templates}
        self._template_keys = {name: item.explicit() for name, item in self._templates.items()}
        self._user = {
            name: template
            for name in self._user
            if (template := self._template_of(name)) is not None
        }
        return self._settle(self._all_names())

    def change_external(
        self, given: Iterable[StreamConfig] = (), gone: Iterable[str] = ()
    ) -> Changes:
        """Streams that the configuration backend gives now, and names that it gives no longer."""
        put = {stream.name: stream.explicit() for stream in given}
        dropped = [name for name in gone if self._external.pop(name, None) is not None]
        self._external.update(put)
        return self._settle([*dropped, *put])

    def change_remote(self, given: Mapping[str, RemoteStream], gone: Iterable[str] = ()) -> Changes:
        """Streams that other servers offer now, and names that none offers any longer."""
        dropped = [name for name in gone if self._remote.pop(name, None) is not None]
        self._remote.update(given)
        return self._settle([*dropped, *given])

    def set_captured(self, captured: Mapping[str, CapturedElsewhere]) -> Changes:
        """These streams of this server are captured by others, all others here."""
        before, self._captured = self._captured, dict(captured)
        names = before.keys() | captured.keys()
        return self._settle([name for name in names if before.get(name) != captured.get(name)])

    @property
    def captured(self) -> Mapping[str, CapturedElsewhere]:
        """Streams of this server that others capture."""
        return self._captured

    @property
    def external_names(self) -> frozenset[str]:
        return frozenset(self._external)

    def find_template(self, name: str) -> TemplateConfig | None:
        """The template that would make the unknown stream `name`."""
        template = self._template_of(name)
        return self._templates[template] if template is not None else None

    def draft_user(self, name: str) -> Stream:
        """What a template would make of the name; it exists for nobody yet. Raises KeyError,
        ValueError."""
        template = self._template_of(name)
        if template is None:
            raise KeyError(name)
        return self._make(name, "user", {"name": name, "template": template})

    def add_user(self, name: str) -> Changes:
        """Make a stream under a template's prefix. Raises CatalogFull, KeyError, ValueError."""
        stream = self.draft_user(name)
        if len(self._user) >= MAX_DYNAMIC_STREAMS:
            raise CatalogFull(f"{MAX_DYNAMIC_STREAMS} dynamic streams exist already")
        self._user[name] = str(stream.saved["template"])
        self.streams[name] = stream
        return Changes(added=frozenset({name}))

    def drop_user(self, names: Iterable[str]) -> Changes:
        """Forget unused dynamic streams."""
        return self._settle([name for name in names if self._user.pop(name, None) is not None])

    def _template_of(self, name: str) -> str | None:
        """The longest matching prefix wins, whatever the order in the file."""
        best: tuple[int, str] | None = None
        for template in self._templates.values():
            if template.disabled:
                continue
            for prefix in template.prefixes or ():
                fits = prefix == "" or name.startswith(f"{prefix}/")
                if fits and (best is None or len(prefix) > best[0]):
                    best = (len(prefix), template.name)
        return best[1] if best else None

    def _all_names(self) -> set[str]:
        return {*self.streams, *self._own, *self._external, *self._user, *self._remote}

    def _wish(self, name: str) -> tuple[NamedBy, JsonObject] | None:
        """Who wins the name, and what is wanted of it."""
        if (saved := self._own.get(name)) is not None:
            return "config", saved
        if (saved := self._external.get(name)) is not None:
            return "external", saved
        if (template := self._user.get(name)) is not None:
            return "user", {"name": name, "template": template}
        if (remote := self._remote.get(name)) is not None:
            return "remote", remote.saved
        return None

    def _settle(self, names: Iterable[str]) -> Changes:
        """Bring the streams of these names in step with what is wanted."""
        added, removed, changed = set(), set(), set()
        for name in names:
            wish, old = self._wish(name), self.streams.get(name)
            if wish is None:
                if old is not None:
                    del self.streams[name]
                    removed.add(name)
                continue
            named_by, saved = wish
            if named_by in {"config", "external"}:
                self._user.pop(name, None)
            if old is None:
                self.streams[name] = self._make(name, named_by, saved)
                added.add(name)
            elif self._update(old, named_by, saved):
                changed.add(name)
        return Changes(frozenset(added), frozenset(removed), frozenset(changed))

    def _update(self, stream: Stream, named_by: NamedBy, saved: JsonObject) -> bool:
        """Bring a stream in step; True if what applies to it differs from before."""
        if stream.named_by != named_by:
            stream.named_by, stream._redacted = named_by, None
        same_place = stream.elsewhere == self._place_of(stream.name, named_by)
        same_template = stream.inherited == self._template_of_saved(saved)
        if stream.saved == saved and same_template and same_place:
            return False
        new = self._make(stream.name, named_by, saved)
        same = new.config == stream.config and new.problem == stream.problem
        stream.configure(new)
        return not same

    def _template_of_saved(self, saved: JsonObject) -> JsonObject | None:
        name = saved.get("template")
        return self._template_keys.get(str(name)) if name else None

    def _make(self, name: str, named_by: NamedBy, saved: JsonObject) -> Stream:
        template_name, template = saved.get("template"), self._template_of_saved(saved)
        problem = ""
        if template_name and template is None:
            problem = f"there is no template {template_name!r}: declare it or remove `template`"
        try:
            config = inherit(saved, template)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            problem = f"the template makes no valid stream: {first['msg']}"
            config = StreamConfig(name=name, disabled=True)
        elsewhere = self._place_of(name, named_by)
        if elsewhere is not None and elsewhere.captured:
            config = _pulled(config, self._captured[name].inputs)
        return Stream(
            name,
            named_by,
            saved,
            config,
            problem=problem,
            inherited=template,
            elsewhere=elsewhere,
        )

    def _place_of(self, name: str, named_by: NamedBy) -> Elsewhere | None:
        if named_by == "remote":
            return self._remote[name].elsewhere
        captured = self._captured.get(name)
        return captured.elsewhere if captured is not None else None


def _pulled(config: StreamConfig, inputs: list[JsonObject]) -> StreamConfig:
    """The stream where it is not captured: pulled for viewers, not recorded, sent nowhere."""
    nothing = dict.fromkeys(("dvr", "pushes", "transcoder", "backup", "record_input"))
    update = {"static": False, "inputs": [InputConfig.model_validate(one) for one in inputs]}
    return config.model_copy(update=nothing | update)
