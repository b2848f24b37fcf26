"""Health and metrics over HTTP, for what watches the connector; there is nothing here when `server` is not set."""

from __future__ import annotations

from connector.web.server import serve as serve

__all__ = ["serve"]
