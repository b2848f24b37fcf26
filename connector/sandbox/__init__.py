"""
Stand-in vendors: local HTTP servers that follow the vendors' documents.

Only `connector demo`, `connector sandbox` and the tests import them. The ports are those of `connector sandbox`.
"""

from __future__ import annotations

__all__ = ["EWAREHOUSING_PORT", "PROPELLER_PORT", "TRAEDE_PORT", "WEBHOOK_PORT", "ZENDERA_PORT"]

PROPELLER_PORT = 18081
EWAREHOUSING_PORT = 18082
TRAEDE_PORT = 18083
ZENDERA_PORT = 18084
WEBHOOK_PORT = 18085
