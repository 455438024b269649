"""Failures of FFmpeg in words that an operator can act on, without the URL.

PyAV puts the URL, and with it credentials, into the text of its exceptions: only their class and
error number are used here.
"""

import av

_WORDS: dict[type[Exception], str] = {
    av.error.HTTPBadRequestError: "the server answers 400 Bad Request",
    av.error.HTTPUnauthorizedError: "the server answers 401 Unauthorized: check user and password",
    av.error.HTTPForbiddenError: "the server answers 403 Forbidden",
    av.error.HTTPNotFoundError: "the server answers 404 Not Found",
    av.error.HTTPOtherClientError: "the server answers with a 4xx error",
    av.error.HTTPServerError: "the server answers with a 5xx error",
    av.error.ConnectionRefusedError: "connection refused",
    av.error.ConnectionResetError: "connection reset by the source",
    av.error.BrokenPipeError: "connection closed by the source",
    av.error.TimeoutError: "timed out",
    av.error.ExitError: "timed out",
    av.error.EOFError: "the source sends nothing",
    av.error.FileNotFoundError: "no such file",
    av.error.PermissionError: "permission denied",
    av.error.InvalidDataError: "the source sends no media that can be read",
    av.error.ProtocolNotFoundError: "the protocol is not supported or not allowed here",
}


_STATUS: dict[type[Exception], int] = {
    av.error.HTTPUnauthorizedError: 401,
    av.error.HTTPForbiddenError: 403,
    av.error.HTTPNotFoundError: 404,
    av.error.HTTPServerError: 500,
}


def http_status(error: Exception) -> int:
    """Status of the answer that is the error (RTSP has those of HTTP); 0 if it is none."""
    return next((status for kind, status in _STATUS.items() if isinstance(error, kind)), 0)


def describe(error: Exception) -> str:
    """The reason for a failed input; never contains a URL."""
    for kind, words in _WORDS.items():
        if isinstance(error, kind):
            return words
    text = getattr(error, "strerror", None)
    return text if isinstance(text, str) and text else type(error).__name__
