"""Inputs of a media worker: one module a family of sources, each in threads of its own."""
