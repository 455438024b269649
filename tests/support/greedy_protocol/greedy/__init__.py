"""Sources that harm their media worker."""
