"""Streamers: connection, provisioning, health, statistics, and the local one of the trial."""
