"""Central's REST API, its configuration backend for streamers, and the UI's files."""
