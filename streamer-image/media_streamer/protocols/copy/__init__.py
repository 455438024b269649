"""Another stream of this server as a source."""
