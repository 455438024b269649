"""`media-cache`: the program of the resource Cache, a caching HTTP proxy before the streamers."""
