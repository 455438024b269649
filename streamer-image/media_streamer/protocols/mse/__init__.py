"""MSE-LD: fragmented MP4 over a WebSocket, in the words of Flussonic's player."""
