"""
How every endpoint is spoken to over TLS: certificate and host name are checked, always.

The authorities are the system's; `SSL_CERT_FILE` and `SSL_CERT_DIR` name others, as everywhere with OpenSSL, and the
`ca_file` of an endpoint names more for that one. The context is not `ssl.create_default_context`, which would write the
keys of every connection to where `SSLKEYLOGFILE` says.
"""

from __future__ import annotations

import ssl
from functools import cache

__all__ = ["context", "context_for"]


@cache
def context() -> ssl.SSLContext:
    """Return the one context of the process: it is large, and safe to share."""
    return _new_context()


def _new_context() -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # which checks the certificate and the host name
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.load_default_certs()
    made.set_alpn_protocols(["http/1.1"])
    return made


def context_for(ca_file: str | None) -> ssl.SSLContext:
    """Return the context for an endpoint: the one of the process, or one that trusts those in `ca_file` as well."""
    return context() if ca_file is None else _context_with(ca_file)


@cache
def _context_with(ca_file: str) -> ssl.SSLContext:
    made = _new_context()
    made.load_verify_locations(cafile=ca_file)
    return made
