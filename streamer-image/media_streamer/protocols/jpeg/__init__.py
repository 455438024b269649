"""The last picture."""
