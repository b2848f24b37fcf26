"""
The reasons for which a connection never comes about, as far as waiting does not mend them, and what to do.

Certificates that do not prove who the host is, and host names that do not exist. A name server that does not answer
is none of them: that passes.
"""

from __future__ import annotations

import socket
import ssl

import aiohttp

__all__ = ["unreachable"]

EXPIRED, EARLY = 10, 9
OTHER_HOST = frozenset((62, 64))
UNKNOWN_AUTHORITY = frozenset((2, 18, 19, 20, 21))
"""What OpenSSL calls them: X509_V_ERR_CERT_HAS_EXPIRED, _NOT_YET_VALID, _HOSTNAME_MISMATCH, _IP_ADDRESS_MISMATCH, and
the five ways in which a chain of certificates leads to nobody whom we trust."""

NO_SUCH_NAME = frozenset({socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)})


def unreachable(exc: BaseException) -> str:
    """Return why a connection will not come about until somebody has mended it; empty for what may pass by itself."""
    if isinstance(exc, aiohttp.ClientConnectorCertificateError):
        return _of_certificate(getattr(exc, "certificate_error", None))
    if isinstance(exc, aiohttp.ClientConnectorDNSError):
        errno = getattr(getattr(exc, "os_error", None), "errno", None)
        return "there is no host of that name; mend the address in the settings" if errno in NO_SUCH_NAME else ""
    return ""


def _of_certificate(error: Exception | None) -> str:
    code = error.verify_code if isinstance(error, ssl.SSLCertVerificationError) else 0
    if code == EXPIRED:
        return "its certificate has expired; who runs that host has to renew it (or is the clock here wrong?)"
    if code == EARLY:
        return "its certificate is not valid yet; is the clock here right?"
    if code in OTHER_HOST:
        return "its certificate is for another host; mend the address in the settings"
    if code in UNKNOWN_AUTHORITY:
        return (
            "its certificate is signed by nobody whom this machine trusts; if that is the right host, name the file "
            "of its authority (PEM) in `ca_file` of this endpoint, or in SSL_CERT_FILE"
        )
    return "its certificate does not prove who it is; see `openssl s_client -connect`"
