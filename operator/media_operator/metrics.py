"""Figures of the operator, for Prometheus."""

from prometheus_client import Counter, Gauge, Histogram

PLAN_SECONDS = Histogram("media_operator_plan_seconds", "Time that one plan takes")
WRITES = Counter("media_operator_writes", "Writes to the API server", ["verb", "kind"])
WRITE_ERRORS = Counter(
    "media_operator_write_errors", "Writes that the API server refused", ["kind", "reason"]
)
OBJECTS = Gauge("media_operator_objects", "Objects in the cache", ["kind"])
PENDING = Gauge("media_operator_pending_writes", "Writes of the last plan not yet done")
LEADER = Gauge("media_operator_leader", "1 while this replica leads")
LAST_EVENT = Gauge("media_operator_last_event_timestamp_seconds", "Time of the last watch event")
