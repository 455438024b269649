"""Object storages that speak S3: their addresses, and the one client that all parts use."""
