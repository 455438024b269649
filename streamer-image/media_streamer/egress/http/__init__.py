"""The HTTP ports: parsing of requests, routes, and the way to the API."""
