"""Lua scripts of the administrator: event sinks, access decisions, `init_script`; each in a process
of its own that can be killed at any time."""
