"""Other servers: what they have, what is taken from them, who captures what, whom they get."""
