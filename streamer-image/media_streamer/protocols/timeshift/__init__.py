"""What another stream has recorded, as a source that is late by a fixed time."""
