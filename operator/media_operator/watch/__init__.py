"""Follows every kind that plans look at: lists and watches by kopf, into the cache.

kopf runs in a thread with an event loop of its own (`shell.py`), because whatever ends it cancels
all tasks of its loop; it is started again (`follow.py`). Of kopf there is `on.event` and nothing
else: it keeps no state of ours and writes nothing into anybody's objects. Its session
(`session.py`) turns what would end it into what it survives, and tells `flow.py` where lists begin
and end, which kopf does not.
"""
