"""TLS of the listeners: which files, and whether they hold.

The reference server's places: `streamer.key` (PEM, may be encrypted with the passphrase
`flussonic`), `streamer.crt`, and the chain `streamer-ca.crt` in the directory of the configuration
file. A listener can name its own files.
"""

import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from media_api.server import ServerConfig, TlsListener, TlsVersion

from media_streamer.config.binder import ParsedConfig
from media_streamer.config.grammar import Word
from media_streamer.config.problems import ConfigProblem

KEY_PASSPHRASE = "flussonic"  # what the reference server expects of an encrypted key
TLS_PROTOCOLS = ("https", "rtmps", "rtsps")
_VERSIONS: dict[TlsVersion, ssl.TLSVersion] = {
    "tlsv1": ssl.TLSVersion.TLSv1,
    "tlsv1.1": ssl.TLSVersion.TLSv1_1,
    "tlsv1.2": ssl.TLSVersion.TLSv1_2,
    "tlsv1.3": ssl.TLSVersion.TLSv1_3,
}


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Paths of certificate, key and chain; the chain may be missing."""

    certificate: Path
    key: Path
    chain: Path

    @classmethod
    def of(cls, listener: TlsListener, directory: Path) -> "TlsFiles":
        """Files of `listener`; relative paths and defaults lie in `directory`."""
        return cls(
            directory / (listener.certificate or "streamer.crt"),
            directory / (listener.certificate_key or "streamer.key"),
            directory / "streamer-ca.crt",
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
        context.load_cert_chain(files.certificate, files.key, password=KEY_PASSPHRASE)
        if files.chain.is_file():
            # OpenSSL sends the intermediates that it finds there along with the certificate.
            context.load_verify_locations(files.chain)
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
        return f"{files.key} is encrypted with another passphrase than {KEY_PASSPHRASE!r}"
    return f"{files.certificate} or {files.key} is no valid PEM file ({reason})"


def check_tls(parsed: ParsedConfig, config: ServerConfig, directory: Path) -> list[ConfigProblem]:
    """A problem at the line of each TLS listener whose files do not hold."""
    problems = []
    for protocol in TLS_PROTOCOLS:
        listeners = (getattr(config.listeners, protocol) or ()) if config.listeners else ()
        for index, listener in enumerate(listeners):
            try:
                server_context(TlsFiles.of(listener, directory), listener.ssl_protocols or ())
            except TlsError as error:
                path = ("listeners", protocol, index)
                at = parsed.locate(path) or Word("", "", 0, 0)
                problems.append(
                    ConfigProblem(at.line, at.col, path, error.code, str(error), at.file)
                )
    return problems
