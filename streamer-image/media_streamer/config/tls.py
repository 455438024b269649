"""TLS of the listeners: which files, and whether they hold.

The defaults are those of the reference server: `streamer.crt` and `streamer.key` in
/etc/flussonic. A listener can name its own files; relative paths start at the configuration file.
"""

import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from media_api import protocols
from media_api.server import ServerConfig, TlsListenerConfig, TlsVersion

from media_streamer import tls
from media_streamer.config.binder import ParsedConfig
from media_streamer.config.certificates import complaints
from media_streamer.config.grammar import Word
from media_streamer.config.problems import ConfigProblem, Severity

_VERSIONS: dict[TlsVersion, ssl.TLSVersion] = {
    "tlsv1": ssl.TLSVersion.TLSv1,
    "tlsv1.1": ssl.TLSVersion.TLSv1_1,
    "tlsv1.2": ssl.TLSVersion.TLSv1_2,
    "tlsv1.3": ssl.TLSVersion.TLSv1_3,
}


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Paths of certificate and key."""

    certificate: Path
    key: Path

    @classmethod
    def of(cls, listener: TlsListenerConfig, directory: Path) -> "TlsFiles":
        """Files of `listener`; its relative paths start at `directory`."""
        default = tls.DEFAULT_DIRECTORY
        return cls(
            directory / (listener.certificate or default / tls.DEFAULT_CERTIFICATE),
            directory / (listener.certificate_key or default / tls.DEFAULT_KEY),
        )


class TlsError(Exception):
    """The files do not make a TLS server; the text says which and why."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


def server_context(files: TlsFiles, versions: Iterable[TlsVersion] = ()) -> ssl.SSLContext:
    """TLS of a server. Raises TlsError that names the file and what is wrong with it."""
    for path in (files.certificate, files.key):
        if not path.is_file():
            raise TlsError("missing_file", f"TLS needs {path}, which does not exist")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    wanted = [_VERSIONS[version] for version in versions] or [
        ssl.TLSVersion.TLSv1_2,
        ssl.TLSVersion.TLSv1_3,
    ]
    try:
        tls.load_certificate(context, files.certificate, files.key)
        context.minimum_version, context.maximum_version = min(wanted), max(wanted)
    except ssl.SSLError as error:
        raise TlsError("bad_certificate", _explain(error, files)) from error
    except (OSError, ValueError) as error:
        raise TlsError("bad_certificate", f"{files.certificate}, {files.key}: {error}") from error
    return context


def _explain(error: ssl.SSLError, files: TlsFiles) -> str:
    reason = error.reason or str(error)
    if reason == "KEY_VALUES_MISMATCH":
        return f"{files.key} is not the key of {files.certificate}"
    if "ENCRYPTED" in files.key.read_text(errors="replace"):
        return f"{files.key} is encrypted with another passphrase than {tls.KEY_PASSPHRASE!r}"
    chain = tls.chain_beside(files.certificate)
    names = [str(path) for path in (files.certificate, files.key, chain) if path.is_file()]
    return f"no valid PEM file: {', '.join(names[:-1])} or {names[-1]} ({reason})"


def certificate_files(config: ServerConfig, directory: Path) -> list[Path]:
    """Of all TLS listeners, each once; relative paths start at `directory`."""
    found: dict[Path, None] = {}
    for name, (_, item) in protocols.listeners().items():
        for listener in config.listeners.of(name) if item.tls and config.listeners else ():
            assert isinstance(listener, TlsListenerConfig)
            found[TlsFiles.of(listener, directory).certificate] = None
    return list(found)


def check_tls(parsed: ParsedConfig, config: ServerConfig, directory: Path) -> list[ConfigProblem]:
    """A problem at the line of each TLS listener whose files do not hold; a warning where they do
    and clients will not like them."""
    problems = []
    tls_listeners = [name for name, (_, item) in protocols.listeners().items() if item.tls]
    for protocol in tls_listeners:
        listeners = config.listeners.of(protocol) if config.listeners else []
        for index, listener in enumerate(listeners):
            assert isinstance(listener, TlsListenerConfig)
            try:
                files = TlsFiles.of(listener, directory)
                server_context(files, listener.ssl_protocols or ())
                found = [("doubtful_certificate", text) for text in complaints(files.certificate)]
            except TlsError as error:
                found = [(error.code, str(error))]
            path = ("listeners", protocol, index)
            at = parsed.locate(path) or Word("", "", 0, 0)
            for code, text in found:
                severity: Severity = "warning" if code == "doubtful_certificate" else "error"
                problems.append(
                    ConfigProblem(at.line, at.col, path, code, text, at.file, severity=severity)
                )
    return problems
