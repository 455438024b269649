"""The health of a streamer from what it says about itself. Pure but for the clock passed in."""

from collections import deque
from dataclasses import dataclass, field
from typing import Any

from media_api.base import JsonObject
from media_rest.redact import redact_text

from media_central.streamers.client import StreamerError

MAX_CLOCK_DIFFERENCE_MS = 30_000
"""Far under the 300 s after which cluster keys are refused, far above the jitter of a poll."""
HOUR_SECONDS = 3600.0
RULES = (
    "reachable",
    "running",
    "config_ok",
    "config_external_ok",
    "valid_cluster_key",
    "time_synchronized",
)


def problems_of_answer(stats: JsonObject, now_ms: float, provision_error: str | None) -> JsonObject:
    """Rule -> what is wrong, for a streamer that answered its statistics."""
    problems: dict[str, str] = {}
    status = stats.get("streamer_status")
    if status not in (None, "running"):
        problems["running"] = f"the streamer says that it is {status}"
    config_error = stats.get("config_error")
    if config_error:
        problems["config_ok"] = f"its configuration is broken: {_words(config_error)}"
    external = stats.get("config_external_status")
    if provision_error:
        problems["config_external_ok"] = provision_error
    elif isinstance(external, dict) and external.get("status") == "error":
        problems["config_external_ok"] = f"it cannot get its streams: {_words(external)}"
    theirs = stats.get("now")
    if isinstance(theirs, int | float) and abs(now_ms - theirs) > MAX_CLOCK_DIFFERENCE_MS:
        seconds = (theirs - now_ms) / 1000
        problems["time_synchronized"] = f"its clock is {seconds:+.0f} s off: synchronise both"
    return problems


def problems_of_failure(error: StreamerError) -> JsonObject:
    """Rule -> what is wrong, for a streamer that did not answer its statistics."""
    if error.is_refusal:
        return {"valid_cluster_key": str(error)}
    return {"reachable": str(error)}


def _words(value: Any) -> str:
    if not isinstance(value, dict):
        return redact_text(str(value))
    parts = [value.get(key) for key in ("error", "reason", "detail")]
    where = f" (line {value['line']})" if value.get("line") else ""
    return redact_text(", ".join(str(part) for part in parts if part) or "unknown") + where


@dataclass(slots=True)
class Health:
    """Verdict over time. A streamer that fails often is not healthy, even while it answers."""

    fails_threshold: int
    ok: bool | None = None
    changed_at_ms: float = 0.0
    problems: JsonObject = field(default_factory=dict)
    failures: deque[float] = field(default_factory=lambda: deque(maxlen=1000))
    """When a check turned from passed to failed, monotonic seconds."""

    def update(self, problems: JsonObject, now: float, now_ms: float) -> None:
        """`now` is monotonic seconds, `now_ms` Unix milliseconds."""
        if problems and not self.problems and self.ok is not None:
            self.failures.append(now)
        while self.failures and self.failures[0] < now - HOUR_SECONDS:
            self.failures.popleft()
        self.problems = dict(problems)
        ok = not problems and len(self.failures) < self.fails_threshold
        if ok != self.ok:
            self.ok, self.changed_at_ms = ok, now_ms

    def state(self) -> JsonObject | None:
        """`healthcheck_status` of the API; None before the first check."""
        if self.ok is None:
            return None
        unknown = "reachable" in self.problems or "valid_cluster_key" in self.problems
        checks: JsonObject = {
            rule: rule not in self.problems and not (unknown and rule != "reachable")
            for rule in RULES
        }
        if "reachable" in self.problems:
            checks["valid_cluster_key"] = False
        details = [{"rule": rule, "error": text} for rule, text in self.problems.items()]
        if not self.problems and not self.ok:
            text = f"{len(self.failures)} failures within an hour, the limit is"
            details.append({"rule": "reachable", "error": f"{text} {self.fails_threshold}"})
        return {
            "status": "ok" if self.ok else "error",
            "status_changed_at": round(self.changed_at_ms),
            "checks": {**checks, "errors_details": details},
        }
