"""Certificates of clients, and connections that show them."""

import http.client
import os
import ssl
import subprocess

EC = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]


def certificate(directory):
    """A certificate for 127.0.0.1 that is its own authority."""
    key, cert = os.path.join(directory, "key.pem"), os.path.join(directory, "cert.pem")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
        + ["-keyout", key, "-out", cert, "-subj", "/CN=postroom test", "-addext", "subjectAltName=IP:127.0.0.1"],
        check=True,
        capture_output=True,
    )
    return cert, key


def client_certificate(directory, subject="/CN=client"):
    """A client's certificate: (authority, certificate, key). All of a directory have one authority."""
    paths = [str(directory / name) for name in ("ca.pem", "ca-key.pem", "client.pem", "client-key.pem", "client.csr")]
    authority, authority_key, cert, key, request = paths
    signing = ["-CA", authority, "-CAkey", authority_key, "-CAcreateserial"]
    commands = [
        ["openssl", "req", *EC, "-utf8", "-keyout", key, "-out", request, "-subj", subject],
        ["openssl", "x509", "-req", "-in", request, *signing, "-out", cert],
    ]
    if not os.path.exists(authority):
        make = ["openssl", "req", "-x509", *EC, "-keyout", authority_key, "-out", authority, "-subj", "/CN=authority"]
        commands.insert(0, [*make, "-days", "2"])
    for command in commands:
        subprocess.run(command, check=True, capture_output=True)
    return authority, cert, key


def secure(service, authority, cert=None, key=None):
    context = ssl.create_default_context(cafile=authority)
    if cert:
        context.load_cert_chain(cert, key)
    return http.client.HTTPSConnection("127.0.0.1", service.port, timeout=20, context=context)
