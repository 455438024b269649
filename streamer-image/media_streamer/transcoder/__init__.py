"""Transcoding: a plan, an engine in a process of its own, and the stage that a stream sees."""
