"""What is not HTTP: a line, whoever serves; what is wrong with us keeps its traceback."""

import logging

import pytest
from aiohttp.http_exceptions import BadHttpMessage
from media_process.http_log import http_logger


def test_garbage_is_a_line(caplog: pytest.LogCaptureFixture) -> None:
    logger = http_logger("test.http")
    assert http_logger("test.http") is logger
    assert len(logger.filters) == 1
    with caplog.at_level(logging.INFO, "test.http"):
        try:
            raise BadHttpMessage("forged\nline")
        except BadHttpMessage:
            logger.exception("Error handling request from %s", "10.0.0.1")
        try:
            raise LookupError
        except LookupError:
            logger.exception("ours")
    garbage, ours = caplog.records
    assert garbage.getMessage() == "Error handling request from 10.0.0.1: BadHttpMessage"
    assert (garbage.levelno, garbage.exc_info) == (logging.INFO, None)
    assert ours.levelno == logging.ERROR
    assert ours.exc_info is not None
