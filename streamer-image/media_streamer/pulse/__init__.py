"""Statistics history of a streamer (`pulsedb`): packed points in SQLite, in three levels."""
