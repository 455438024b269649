"""Endless FLV over HTTP."""
