"""The page `embed.html`: a stream in a frame of somebody else's page."""
