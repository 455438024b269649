"""What of the documentation is made from the code, so that it cannot lag behind it.

A page is text for people with tables between marks (`media_api.protocols.readme.render`). Not part
of what is installed: `python -m media_docs` writes the pages, with `--check` it only compares.
"""
