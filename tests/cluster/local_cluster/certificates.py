"""Keys, certificates and tokens of a throw-away cluster.

Role: a CA with a serving certificate that clients in pods can verify (they find ``ca.crt`` beside
their service account token), the API server's client certificate for the kubelets, the service
account key, and a static token for each component.
Invariant: all of it is made anew by each ``up``, readable by root only, gone after ``down``.
"""

from __future__ import annotations

import base64
import json
import secrets
from pathlib import Path

from local_cluster.layout import (
    API_SERVICE_ADDRESS,
    API_URL,
    CLUSTER_DOMAIN,
    HOST_ADDRESS,
    NODES,
    Layout,
)
from local_cluster.processes import run

VALID_DAYS = "30"
FRONT_PROXY = "front-proxy-client"
"""The API server, as the servers of aggregated APIs know it (metrics of autoscalers)."""

_OPENSSL_CONFIG = f"""
[req]
distinguished_name = name
prompt = no
[name]
CN = unused
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[server]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = DNS:kubernetes, DNS:kubernetes.default, DNS:kubernetes.default.svc, \
DNS:kubernetes.default.svc.{CLUSTER_DOMAIN}, DNS:localhost, \
IP:{API_SERVICE_ADDRESS}, IP:{HOST_ADDRESS}, IP:127.0.0.1
[client]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = clientAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
"""

# Who may speak to the API server: identity -> (user, groups), as kubeadm names them.
IDENTITIES: dict[str, tuple[str, str]] = {
    "admin": ("kubernetes-admin", "system:masters"),
    "kube-controller-manager": ("system:kube-controller-manager", ""),
    "kube-scheduler": ("system:kube-scheduler", ""),
    "kube-proxy": ("system:kube-proxy", ""),
    "coredns": ("system:coredns", ""),
    **{node.name: (f"system:node:{node.name}", "system:nodes") for node in NODES},
}


def make_all(layout: Layout) -> None:
    """Make every key, certificate, token and kubeconfig of the cluster."""
    layout.pki.mkdir(parents=True, exist_ok=True, mode=0o700)
    config = layout.pki / "openssl.cnf"
    config.write_text(_OPENSSL_CONFIG)
    _certificate(layout.pki, "ca", "authority", "/CN=local-cluster-ca", signed=False)
    _certificate(layout.pki, "apiserver", "server", "/CN=kube-apiserver")
    _certificate(
        layout.pki, "kubelet-client", "client", "/O=system:masters/CN=kube-apiserver-kubelet-client"
    )
    _certificate(layout.pki, "front-proxy-client", "client", f"/CN={FRONT_PROXY}")
    key = layout.pki / "service-account.key"
    curve = ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]
    run(["openssl", "genpkey", *curve, "-out", key])
    run(["openssl", "pkey", "-in", key, "-pubout", "-out", key.with_suffix(".pub")])
    key.chmod(0o600)
    _tokens(layout)


def _certificate(pki: Path, name: str, section: str, subject: str, *, signed: bool = True) -> None:
    issuer = ["-CA", str(pki / "ca.crt"), "-CAkey", str(pki / "ca.key")] if signed else []
    run(
        [
            "openssl",
            "req",
            "-x509",
            "-config",
            str(pki / "openssl.cnf"),
            "-extensions",
            section,
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            VALID_DAYS,
            "-subj",
            subject,
            "-keyout",
            str(pki / f"{name}.key"),
            "-out",
            str(pki / f"{name}.crt"),
            *issuer,
        ]
    )


def _tokens(layout: Layout) -> None:
    """Write the API server's token file and a kubeconfig for each identity."""
    lines = []
    for identity, (user, groups) in IDENTITIES.items():
        token = secrets.token_hex(16)
        lines.append(f'{token},{user},{user},"{groups}"\n')
        path = layout.kubeconfig(identity)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        _write_private(path, json.dumps(_kubeconfig(layout, user, token), indent=1))
    _write_private(layout.pki / "tokens.csv", "".join(lines))


def _kubeconfig(layout: Layout, user: str, token: str) -> dict[str, object]:
    """A kubeconfig (JSON is YAML) with the CA inside, so that the file can be copied alone."""
    authority = base64.b64encode((layout.pki / "ca.crt").read_bytes()).decode()
    cluster = {"server": API_URL, "certificate-authority-data": authority}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "local-cluster", "cluster": cluster}],
        "users": [{"name": user, "user": {"token": token}}],
        "contexts": [
            {"name": "local-cluster", "context": {"cluster": "local-cluster", "user": user}}
        ],
        "current-context": "local-cluster",
    }


def _write_private(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text)
