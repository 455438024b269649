"""Bytes of strangers, made up: see README.md of the tests."""
