"""Files one after another, by a list that is read again before each of them."""
