"""The three forms of acknowledgement, and the settings that the connector is measured with."""

from __future__ import annotations

from pathlib import Path

__all__ = ["CONCURRENCY", "PAGES", "SHAPES", "settings"]

CONCURRENCY = 32
PAGES = {"patch": 100, "tens": 60, "fifties": 100}
"""Orders a page; 60 is the most that Traede gives."""
SHAPES = tuple(PAGES)
"""One call an order (Propeller), ten orders a call (Traede), fifty (Zendera)."""

SOURCES = {
    "patch": "type: propeller, base_url: '{url}', client_id: benchmark, client_secret: benchmark-secret",
    "tens": "type: traede_orders, base_url: '{url}', token: benchmark-token, app_key: benchmark-key, "
    "system_id: erp, regulate_inventory: false",
    "fifties": "type: zendera, base_url: '{url}/api', api_key: benchmark-key",
}
RECEIVER = (
    "type: ewarehousing, base_url: '{url}', username: benchmark, password: benchmark-secret, wms_code: DEV, "
    "customer_code: BENCHMARK"
)


def settings(shape: str, url: str, folder: Path, *, sources: int = 1, poll: str = "1h") -> Path:
    """Write a settings file for `sources` sources of `shape` and one receiver, all at `url`; return its path."""
    names = [f"feed{number}" for number in range(sources)] if sources > 1 else ["feed"]
    source = SOURCES[shape].format(url=url)
    own = f"concurrency: {CONCURRENCY}, page_size: {PAGES[shape]}, poll_interval: {poll}"
    lines = [
        f"journal: '{folder / 'journal.db'}'",
        "server: {host: 127.0.0.1, port: 0}",
        "sources:",
        *(f"  {name}: {{{source}, {own}}}" for name in names),
        "receivers:",
        # As it is with a journal that has seen one walk: a new one asks the receiver about all that it finds first.
        f"  warehouse: {{{RECEIVER.format(url=url)}, concurrency: {CONCURRENCY}, look_up_first: never}}",
        "routes:",
        *(f"  - {{source: {name}, receivers: [warehouse]}}" for name in names),
    ]
    path = folder / "settings.yaml"
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path
