"""
The sources: systems that list un-exported orders and take acknowledgements.

A new one is a file here, a line in `SOURCES`, and a test that inherits the contract of all sources.
"""

from __future__ import annotations

from connector.sources.propeller import PropellerSource

__all__ = ["SOURCES"]

SOURCES: dict[str, type] = {
    "propeller": PropellerSource,
}
"""Each source under the word that `type:` has for it in settings.yaml."""
