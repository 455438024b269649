"""Client of the Kubernetes API: requests, server-side apply, the self-healing watch."""
