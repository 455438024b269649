"""The test picture."""
