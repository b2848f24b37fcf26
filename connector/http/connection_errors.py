"""
Explains connection failures that waiting does not fix: invalid certificates and unknown host names.

A name server that does not respond is not among them, as that passes.
"""

from __future__ import annotations

import socket
import ssl

import aiohttp

__all__ = ["unreachable"]

EXPIRED, EARLY = 10, 9
OTHER_HOST = frozenset((62, 64))
UNKNOWN_AUTHORITY = frozenset((2, 18, 19, 20, 21))
"""
OpenSSL's codes: X509_V_ERR_CERT_HAS_EXPIRED, _NOT_YET_VALID, _HOSTNAME_MISMATCH, _IP_ADDRESS_MISMATCH, and the five for
a certificate chain that ends at no trusted authority.
"""

NO_SUCH_NAME = frozenset({socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)})


def unreachable(exc: BaseException) -> str:
    """Return why a connection fails until someone fixes the cause; empty for failures that may pass by themselves."""
    if isinstance(exc, aiohttp.ClientConnectorCertificateError):
        return _of_certificate(getattr(exc, "certificate_error", None))
    if isinstance(exc, aiohttp.ClientConnectorDNSError):
        errno = getattr(getattr(exc, "os_error", None), "errno", None)
        return "there is no host of that name; correct the address in the settings" if errno in NO_SUCH_NAME else ""
    return ""


def _of_certificate(error: Exception | None) -> str:
    code = error.verify_code if isinstance(error, ssl.SSLCertVerificationError) else 0
    if code == EXPIRED:
        return "its certificate has expired; the host's operator must renew it (or is this machine's clock wrong?)"
    if code == EARLY:
        return "its certificate is not valid yet; check the clock of this machine"
    if code in OTHER_HOST:
        return "its certificate is for another host; correct the address in the settings"
    if code in UNKNOWN_AUTHORITY:
        return (
            "its certificate is signed by an authority that this machine does not trust; if the host is right, name "
            "the file of its authority (PEM) in `ca_file` of this endpoint, or in SSL_CERT_FILE"
        )
    return "its certificate does not prove its identity; examine it with `openssl s_client -connect`"
