"""MP4 of what is recorded, as one file."""
