"""HTTP/2 on the HTTPS ports, translated to and from HTTP/1.1, which everything else knows."""
