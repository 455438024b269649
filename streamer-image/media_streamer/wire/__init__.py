"""What the processes of a streamer say to each other."""
