"""SRT through the system's libsrt: play, publish, pull, push. See README.md."""
