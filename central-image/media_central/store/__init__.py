"""The resource store: one port, an adapter for each home of the truth."""
