"""What is not HTTP is no error of ours.

aiohttp logs a traceback for every request that is not HTTP; anybody can send those.
"""

import logging

from aiohttp.http_exceptions import HttpProcessingError


class _GarbageIsNoError(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, HttpProcessingError):
            record.levelno, record.levelname = logging.INFO, "INFO"
            record.exc_info = None
            record.msg, record.args = f"{record.getMessage()}: {type(error).__name__}", ()
        return True


_FILTER = _GarbageIsNoError()


def http_logger(name: str) -> logging.Logger:
    """A logger for aiohttp's server (`logger=`): garbage is a line without a traceback."""
    logger = logging.getLogger(name)
    logger.addFilter(_FILTER)  # once, however often it is asked for
    return logger
