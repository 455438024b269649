"""Egress worker: the public ports; sends ready-made bytes to viewers and takes publishers in."""
