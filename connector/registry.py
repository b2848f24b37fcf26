"""From settings to sources and receivers: the built-in ones, those of other packages, and those handed in."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from connector import settings as settings_module
from connector.clock import Clock
from connector.errors import SettingsError
from connector.mapping.mapper import checker
from connector.plugins import Family, build, plugged
from connector.receivers import RECEIVERS
from connector.receivers.base import Receiver
from connector.settings import Settings
from connector.settings.problems import did_you_mean
from connector.sources import SOURCES
from connector.sources.base import Source

__all__ = ["load_settings", "make_receivers", "make_sources", "receiver_types", "source_types"]


def source_types() -> dict[str, Any]:
    """Return every known source class by its `type`: ours, and entry points of the group `connector.sources`."""
    return {**plugged("sources"), **SOURCES}


def receiver_types() -> dict[str, Any]:
    """Return every known receiver class by its `type`: ours, and entry points of the group `connector.receivers`."""
    return {**plugged("receivers"), **RECEIVERS}


def load_settings(path: str | os.PathLike[str] = "settings.yaml", environ: Mapping[str, str] | None = None) -> Settings:
    """
    Read and check settings.yaml. `environ` (default: the process's) fills in `${...}`.

    Relative paths in it (`journal`, a file receiver's `path`) are taken from its folder, whatever the working directory
    is; in `Settings` they are absolute. Raises `SettingsError` with every mistake at its line.
    """
    return settings_module.load(
        Path(path),
        sources={name: kind.settings for name, kind in source_types().items()},
        receivers={name: kind.settings for name, kind in receiver_types().items()},
        environ=os.environ if environ is None else environ,
        mappings=checker({name: kind.request for name, kind in receiver_types().items()}),
    )


def make_sources(settings: Settings, clock: Clock, given: Mapping[str, Source]) -> dict[str, Source]:
    """
    Build the sources of `settings`, taking those in `given` as they are.

    Raises `SettingsError` for a name in `given` that the settings do not have.
    """
    return _made("sources", settings.sources, source_types(), clock, given)


def make_receivers(settings: Settings, clock: Clock, given: Mapping[str, Receiver]) -> dict[str, Receiver]:
    """
    Build the receivers of `settings`, taking those in `given` as they are.

    Raises `SettingsError` for a name in `given` that the settings do not have.
    """
    return _made("receivers", settings.receivers, receiver_types(), clock, given)


def _made(
    family: Family, settings: Mapping[str, Any], types: Mapping[str, Any], clock: Clock, given: Mapping[str, Any]
) -> dict[str, Any]:
    if strangers := [name for name in given if name not in settings]:
        there = ", ".join(settings) or "none"
        raise SettingsError(
            [
                f"{family}: {name!r} is given, and the settings do not have it"
                f"{did_you_mean(name, settings) or f'; they have {there}'}"
                for name in strangers
            ]
        )
    return {
        name: given[name] if name in given else build(family, types[_type(own)], name, own, clock)
        for name, own in settings.items()
    }


def _type(own: Any) -> str:
    return str(own.__struct_config__.tag)
