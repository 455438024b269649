"""The rules of the REST API that streamer and Central share, as pure functions of plain data.

Nothing here knows an HTTP library: requests come in as text and dicts, answers go out the same way.
"""
