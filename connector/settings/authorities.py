"""A file of certificate authorities in the settings: it is read when the settings are, so that a mistake shows then."""

from __future__ import annotations

import ssl
from collections.abc import Iterator

__all__ = ["problems_with"]


def problems_with(ca_file: str) -> Iterator[str]:
    """Yield what is wrong with a file of authorities; nothing if it can be used."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cafile=ca_file)
    except ssl.SSLError:  # an OSError, so it is asked first
        yield "this file holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)"
    except (OSError, ValueError) as exc:
        yield f"the file cannot be read: {getattr(exc, 'strerror', None) or 'not a path'}"
