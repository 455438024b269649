"""Names of the streamers of a cluster: pods, as statuses, Central and the pods themselves say them.

Where one namespace is served, a pod's name is unique and is the streamer's name. Where all are
served, pools of one name in two namespaces have pods of one name, so the namespace comes after it.
"""


def pod_hostname(pod: str, namespace: str, *, cluster_wide: bool) -> str:
    """The streamer's name of a pod."""
    return f"{pod}.{namespace}" if cluster_wide else pod


def pod_of_hostname(hostname: str) -> tuple[str, str]:
    """(namespace, pod) of a streamer's name where all namespaces are served; a namespace is a DNS
    label and has no dot (RFC 1123). The namespace of a name without a dot is empty."""
    pod, _, namespace = hostname.rpartition(".")
    return (namespace, pod) if pod else ("", hostname)
