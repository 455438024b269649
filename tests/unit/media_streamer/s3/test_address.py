"""Addresses of buckets."""

import pytest
from media_streamer.s3.address import BadAddress, parse_address


@pytest.mark.parametrize(
    ("url", "endpoint", "bucket", "prefix", "region"),
    [
        ("s3://k:s@minio:9000/b", "http://minio:9000", "b2", "", "us-east-1"),
        ("s3://k:s@minio/b", "https://minio", "b2", "", "us-east-1"),
        ("s3://k:s@minio:443/b/", "https://minio:443", "b2", "", "us-east-1"),
        ("s3s://k:s@[::1]:9000/b", "https://[::1]:9000", "b2", "", "us-east-1"),
        ("s3://s3.eu-west-1.amazonaws.com/b/c%20d/e", "https://s3.eu-west-1.amazonaws.com", "b2",
         "c d/e", "eu-west-1"),
        ("s3://k:s@host/b?region=garage&expiration=30d", "https://host", "b2", "", "garage"),
    ],
)  # fmt: skip
def test_what_an_address_means(
    url: str, endpoint: str, bucket: str, prefix: str, region: str
) -> None:
    found = parse_address(url.replace("/b", "/b2", 1))
    assert (found.endpoint, found.bucket, found.prefix) == (endpoint, bucket, prefix)
    assert found.region == region


def test_secrets_are_decoded_and_never_shown() -> None:
    found = parse_address("s3://key:se%2Fcr+et%40@host/bucket/a?expiration=7d")
    assert (found.key, found.secret) == ("key", "se/cr+et@")
    assert dict(found.options) == {"expiration": "7d"}
    assert "cr" not in f"{found} {found!r}"
    assert str(found) == "s3://host/bucket/a"


@pytest.mark.parametrize(
    "url",
    [
        "s3://", "s3://host", "s3://host/", "s3://k:s@host:x/b", "s3://k:se/cr@host/bucket",
        "s3://k@host/bucket", "s3://host/bucket/a//b", "s3://host/bucket/../b", "http://host/bucket",
        "s3://host/b", "s3://[/bucket",
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused_without_the_secret(url: str) -> None:
    with pytest.raises(BadAddress) as refused:
        parse_address(url)
    assert "cr@" not in str(refused.value)
