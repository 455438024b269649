"""Whether a stream has to run: always, or while somebody wants it. Pure."""

from media_api.stream import StreamConfig

CLIENTS_TIMEOUT_SECONDS = 60.0
RETRY_LIMIT = 10


class OnDemand:
    """The wishes that a stream has heard; times are monotonic seconds."""

    def __init__(self, config: StreamConfig, now: float) -> None:
        self.config = config
        self.given_up: str | None = None
        """Why an on-demand stream stopped trying, until it is started again."""
        self._started = False
        self._unused_since = now

    @property
    def wanted(self) -> bool:
        """True if the stream has to run now."""
        return not self.config.disabled and (self.config.static or self._started)

    @property
    def failing(self) -> bool:
        """True if the stream should run, or gave up trying."""
        return self.wanted or self.given_up is not None

    @property
    def idle(self) -> bool:
        """True if the stream runs only once it is started."""
        return not self.config.static and not self._started

    def start(self, now: float) -> None:
        """The stream is wanted now."""
        self._started = True
        self.given_up = None
        self._unused_since = now

    def used(self, now: float) -> None:
        """Somebody watched until now."""
        self._unused_since = now

    def stop_if_unused(self, in_use: bool, now: float) -> float | None:
        """Stop what nobody has wanted for a while; for how many seconds, None if it goes on."""
        if self.config.static or not self._started:
            return None
        if in_use:
            self._unused_since = now
            return None
        timeout = self.config.clients_timeout
        if timeout is False:
            return None
        seconds = CLIENTS_TIMEOUT_SECONDS if timeout is None or timeout is True else timeout
        if now - self._unused_since <= seconds:
            return None
        self._started = False
        return float(seconds)

    def failed(self, failures: int, fault: str) -> bool:
        """The inputs have failed so often in a row; True if the stream gives up now."""
        limit = RETRY_LIMIT if self.config.retry_limit is None else self.config.retry_limit
        if self.config.static or not self._started or not limit or failures < limit:
            return False
        self._started = False
        self.given_up = fault
        return True
