"""One protocol more: see sitecustomize.py."""
