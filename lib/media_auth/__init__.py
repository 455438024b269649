"""Authorisation of sessions: secure tokens, HTTP backends, named rule sets.

Invariant: what is not supported or cannot be asked refuses; nothing opens by accident.
"""
