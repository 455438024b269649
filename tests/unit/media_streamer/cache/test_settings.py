"""The environment, as the operator writes it and as people get it wrong."""

from pathlib import Path

import pytest
from media_streamer.cache.settings import SettingsError, read_settings
from media_streamer.forwarded import NOBODY, TrustedProxies, signing_key

ORIGIN = {"CACHE_ORIGINS": "http://streamer-default.media.svc"}


def test_all_variables():
    settings = read_settings(
        {
            "CACHE_ORIGINS": "http://a.svc, https://b.svc:8443/base",
            "CACHE_PORT": "8081",
            "CACHE_PATH": "/var/x",
            "CACHE_MISSES": "4",
            "CACHE_EXPIRATION_SECONDS": "60",
            "CACHE_STORAGE_BYTES": "1000",
            "CACHE_ONLY": "a,b/*",
            "CACHE_EXCEPT": "",
            "CACHE_TRUSTED_PROXIES": "10/8, 192.0.2.1",
            "CACHE_CLUSTER_KEY": "key",
        }
    )
    assert [str(url) for url in settings.origins] == ["http://a.svc", "https://b.svc:8443/base"]
    assert (settings.port, settings.path, settings.misses) == (8081, Path("/var/x"), 4)
    assert (settings.expiration_seconds, settings.storage_bytes) == (60, 1000)
    assert (settings.only, settings.except_) == (("a", "b/*"), ())
    assert settings.proxies == TrustedProxies.of(["10.0.0.0/8", "192.0.2.1/32"])
    assert settings.signing_key == signing_key("key")


def test_defaults():
    settings = read_settings(ORIGIN)
    assert (settings.port, settings.path) == (8080, Path("/var/cache/media"))
    assert (settings.misses, settings.expiration_seconds, settings.storage_bytes) == (0, 0, 0)
    assert (settings.proxies, settings.signing_key) == (NOBODY, None)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CACHE_ORIGINS", ""),
        ("CACHE_ORIGINS", "streamer"),
        ("CACHE_ORIGINS", "ftp://user:secret@a"),
        ("CACHE_ORIGINS", "http://user:secret@a:99999"),
        ("CACHE_ORIGINS", "http://"),
        ("CACHE_PORT", "70000"),
        ("CACHE_PORT", "http"),
        ("CACHE_MISSES", "-1"),
        ("CACHE_MISSES", "1.5"),
        ("CACHE_STORAGE_BYTES", "40G"),
        ("CACHE_EXPIRATION_SECONDS", "\u0663"),
        ("CACHE_TRUSTED_PROXIES", "10.0.0.0/8,ingress"),
    ],
)
def test_mistakes_name_the_variable_and_no_secret(name, value):
    with pytest.raises(SettingsError, match=name) as caught:
        read_settings({**ORIGIN, name: value})
    assert "secret" not in str(caught.value)
