"""What this server asks of others: sources, event sinks, authorisation and configuration backends.

Whoever may write a URL into the configuration, or answer with a redirect, must not reach with it
what only this machine can (SSRF), and a hostile answer must not cost more than it may.
"""
