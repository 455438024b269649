"""What every process of a streamer reads of the system it runs on, whatever is configured.

Role: Python and the packages it runs, libraries, fonts, time zones, certificates of authorities,
how names are resolved, what drivers of graphics cards ask for. Nothing of it is secret: /etc,
/proc and /run are never given as a whole, /usr is but for /usr/local/etc.

A rule of Landlock holds for a file, not for its name: one that is replaced cannot be read any more.
What is replaced while a server runs, and matters, is `watched`.
"""

import mimetypes
import os
import ssl
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

RESOLVER = ("/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf")
"""Read again when they have changed."""
_ETC = (
    *RESOLVER,
    "/etc/host.conf",
    "/etc/gai.conf",
    "/etc/services",
    "/etc/protocols",
    "/etc/localtime",
    "/etc/timezone",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/ssl/certs",
    "/etc/ssl/cert.pem",
    "/etc/ssl/openssl.cnf",
    "/etc/pki/tls/certs",
    "/etc/pki/tls/cert.pem",
    "/etc/pki/tls/openssl.cnf",
    "/etc/pki/ca-trust",
    "/etc/crypto-policies",
    "/etc/ca-certificates",
    "/etc/fonts",
    "/etc/drirc",
    "/etc/OpenCL",
    "/etc/alternatives",
)
_PROC = (
    "cpuinfo",
    "devices",
    "driver",
    "filesystems",
    "loadavg",
    "meminfo",
    "misc",
    "modules",
    "stat",
    "uptime",
    "version",
    "sys/kernel",
    "sys/vm",
    "sys/net",
)
_SYS = ("bus", "class", "dev", "devices", "module", "fs/cgroup")
_ELSEWHERE = (
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/nix/store",
    "/gnu/store",
    "/run/systemd/resolve",
    "/run/opengl-driver",
    "/run/nvidia",
)
_DEVICES = ("null", "zero", "full", "random", "urandom")
_CARDS = ("dri", "nvidia*", "kfd", "mali*", "video*", "media*", "v4l*", "rga", "mpp_service")


def needed(environ: Mapping[str, str]) -> list[Path]:
    """Files and folders to read; some are not there."""
    found = [Path(text) for text in (*_ETC, *_ELSEWHERE, *mimetypes.knownfiles)]
    found += [Path("/proc", name) for name in _PROC]
    found += [Path("/sys", name) for name in _SYS]
    found += [*_below("/usr", {"local"}), *_below("/usr/local", {"etc"})]
    found += map(Path, _authorities())
    found += map(Path, environ.get("LD_LIBRARY_PATH", "").split(":"))
    found += _python()
    return [path for path in found if path.is_absolute()]


def devices() -> list[Path]:
    """To read, write and command: those without content, and cards that decode and encode."""
    found = [Path("/dev", name) for name in _DEVICES]
    found += [path for pattern in _CARDS for path in Path("/dev").glob(pattern)]
    return found


def identities() -> dict[str, tuple[int, int] | None]:
    """Which files the watched ones are now."""
    return {name: _identity(name) for name in RESOLVER}


def _identity(name: str) -> tuple[int, int] | None:
    """None where there is none. A link into a folder that is given as a whole never differs."""
    try:
        real = os.path.realpath(name)
        if any(real.startswith(f"{folder}/") for folder in _ELSEWHERE):
            return None
        found = os.stat(real)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _below(folder: str, but: set[str]) -> Iterator[Path]:
    try:
        names = os.listdir(folder)
    except OSError:
        return
    for name in names:
        if name not in but:
            yield Path(folder, name)


def _authorities() -> list[str]:
    paths = ssl.get_default_verify_paths()
    given = (paths.cafile, paths.capath, paths.openssl_cafile, paths.openssl_capath)
    return [path for path in given if path]


def _python() -> Iterator[Path]:
    """The library and where packages are imported from; never the current directory."""
    yield Path(sys.executable)
    # Unless Python is told to be safe, the first one is where the program was started.
    for text in sys.path[0 if sys.flags.safe_path else 1 :]:
        if Path(text).is_dir() or text.endswith(".zip"):
            yield Path(text)
