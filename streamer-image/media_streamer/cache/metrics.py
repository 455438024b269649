"""What a cache counts, in the form of Prometheus. No label names a stream or a viewer."""

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest


class Metrics:
    """One registry of its own, so that tests and caches in one process do not meet."""

    def __init__(self) -> None:
        registry = self._registry = CollectorRegistry()

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"media_cache_{name}", text, labels, registry=registry)

        def gauge(name: str, text: str) -> Gauge:
            return Gauge(f"media_cache_{name}", text, registry=registry)

        self.requests = counter("requests", "Requests that began, but for probes and metrics")
        self.hits = counter("hits", "Requests answered from disk")
        self.misses = counter("misses", "Requests that made a request to an origin")
        self.collapsed = counter("collapsed", "Requests that joined a request under way")
        self.refused = counter("refused", "Requests refused by the cache itself", "status")
        self.sent = counter("sent_bytes", "Bytes of bodies sent to viewers")
        self.evictions = counter("evictions", "Stored files removed", "reason")
        self.origin_requests = counter("origin_requests", "Requests to origins")
        self.origin_errors = counter("origin_errors", "Origins that failed", "kind")
        self.store_errors = counter("store_errors", "Files not stored or read: disk failed")
        self.slow = counter("slow_viewers", "Viewers closed because they read too slowly")
        self.stored_bytes = gauge("stored_bytes", "Bytes on disk")
        self.stored_files = gauge("stored_files", "Files on disk")
        self.buffered_bytes = gauge("buffered_bytes", "Bytes in memory of requests under way")
        self.quick_hits = 0
        self.quick_bytes = 0
        """Hits without HTTP, and what they sent, not in the counters yet: those cost more."""
        for kind in ("connect", "timeout", "status", "broken"):
            self.origin_errors.labels(kind)
        for reason in ("size", "age", "broken"):
            self.evictions.labels(reason)

    def text(self) -> bytes:
        """The page for Prometheus."""
        self.requests.inc(self.quick_hits)
        self.hits.inc(self.quick_hits)
        self.sent.inc(self.quick_bytes)
        self.quick_hits = self.quick_bytes = 0
        return generate_latest(self._registry)
