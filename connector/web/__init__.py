"""Health and metrics over HTTP, served if the settings have a `server` section."""

from __future__ import annotations

from connector.web.server import serve as serve

__all__ = ["serve"]
