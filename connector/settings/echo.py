"""Prints loaded settings as YAML, with all defaults written out and all secrets masked."""

from __future__ import annotations

import enum
import io
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from datetime import date
from decimal import Decimal
from typing import Any

import msgspec
from ruamel.yaml import YAML

from connector.settings.model import Settings
from connector.settings.values import Duration, Rate, Secret

__all__ = ["echo", "plain"]


def plain(value: Any) -> Any:
    """Convert a value of the settings to plain YAML or JSON; secrets become `***`, unset keys are left out."""
    if isinstance(value, msgspec.Struct):
        config, found = value.__struct_config__, {}
        if config.tag_field and config.tag is not None:
            found[config.tag_field] = config.tag
        for field in msgspec.structs.fields(value):
            if (inner := plain(getattr(value, field.name))) is not None:
                found[field.encode_name] = inner
        return found
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, AbstractSet):
        return sorted(plain(inner) for inner in value)
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    if isinstance(value, enum.Enum):
        return value.value
    if value is None or isinstance(value, bool) or type(value) in (int, float):
        return value
    if isinstance(value, str | Secret | Duration | Rate | Decimal | date):
        return str(value)
    raise TypeError(f"settings hold no values of the type {type(value).__name__}")


def echo(settings: Settings) -> str:
    """Return `settings` as YAML that can be loaded again, except that every secret is `***`."""
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    yaml.width = 4096
    out = io.StringIO()
    yaml.dump(_escaped(plain(settings)), out)
    return out.getvalue()


def _escaped(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _escaped(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_escaped(inner) for inner in value]
    return value.replace("${", "$${") if isinstance(value, str) else value
