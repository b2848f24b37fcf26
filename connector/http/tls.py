"""
TLS contexts for all endpoints; certificate and host name are always verified.

The trusted authorities are those of the system. `SSL_CERT_FILE` and `SSL_CERT_DIR` replace them, as everywhere with
OpenSSL, and `ca_file` of an endpoint adds to them. `ssl.create_default_context` is not used because it would write the
keys of every connection to the file that `SSLKEYLOGFILE` names.
"""

from __future__ import annotations

import ssl
from functools import cache

__all__ = ["context", "context_for"]


@cache
def context() -> ssl.SSLContext:
    """Return the shared context of the process: it is large, and safe to share."""
    return _new_context()


def _new_context() -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # verifies the certificate and the host name
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.load_default_certs()
    made.set_alpn_protocols(["http/1.1"])
    return made


def context_for(ca_file: str | None) -> ssl.SSLContext:
    """Return the context of an endpoint: the shared one, or one that also trusts the authorities in `ca_file`."""
    return context() if ca_file is None else _context_with(ca_file)


@cache
def _context_with(ca_file: str) -> ssl.SSLContext:
    made = _new_context()
    made.load_verify_locations(cafile=ca_file)
    return made
