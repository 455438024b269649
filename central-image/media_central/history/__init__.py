"""History in PostgreSQL: events, layouts, sessions and samples, kept for a while."""
