"""Endless MPEG-TS over HTTP: playing and publishing."""
