"""Central: REST API, UI, config backend for streamers, history in PostgreSQL."""
