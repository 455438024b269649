"""Events of the server, sent to the event sinks of the configuration."""
