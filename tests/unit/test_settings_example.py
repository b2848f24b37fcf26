"""The settings.yaml that the project comes with works as it stands."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from connector.errors import SettingsError
from connector.receivers import RECEIVERS
from connector.settings import Rate, ReceiverSettings, Settings, SourceSettings, load, parse, schema
from connector.settings.places import read
from connector.sources import SOURCES

EXAMPLE = Path(__file__).parents[2] / "settings.yaml"
FROM: dict[str, type[SourceSettings]] = {name: vendor.settings for name, vendor in SOURCES.items()}  # type: ignore[attr-defined]
TO: dict[str, type[ReceiverSettings]] = {name: vendor.settings for name, vendor in RECEIVERS.items()}


def example(environ: dict[str, str] | None = None) -> Settings:
    """Load the file with the real vendors, in an empty environment unless one is given."""
    return load(EXAMPLE, sources=FROM, receivers=TO, environ=environ or {})


def test_it_loads_in_an_empty_environment() -> None:
    """Without a single variable set, it names the stand-ins on this machine."""
    settings = example()
    assert settings.environment == "sandbox"
    assert str(settings.sources["shop"].base_url) == "http://127.0.0.1:18081"
    assert str(settings.receivers["warehouse"].base_url) == "http://127.0.0.1:18082"
    assert settings.receivers["warehouse"].settle == 2.0
    assert (settings.routes[0].source, settings.routes[0].receivers) == ("shop", ["warehouse"])


def test_its_variables_reach_the_endpoints() -> None:
    """Each variable that it names goes where it says."""
    settings = example({"PROPELLER_URL": "https://api.helice.cloud", "EWH_WMS_CODE": "MIDDLE", "EWH_PASSWORD": "p"})
    assert settings.sources["shop"].base_url.host == "api.helice.cloud"
    assert settings.receivers["warehouse"].wms_code == "MIDDLE"
    assert settings.receivers["warehouse"].password.reveal() == "p"


def test_production_needs_real_secrets() -> None:
    """In production the secrets of the stand-ins are refused, each at its place."""
    with pytest.raises(SettingsError, match="in production a secret is not in this file") as caught:
        example({"CONNECTOR_ENVIRONMENT": "production"})
    assert len(caught.value.problems) == 2


def test_the_schema_accepts_it() -> None:
    """An editor with the JSON Schema finds nothing wrong with it."""
    found = Draft202012Validator(schema(FROM, TO)).iter_errors(read(EXAMPLE.read_text("utf-8")).values)
    assert list(found) == []


def test_every_commented_out_key_works() -> None:
    """What is commented out works too, once the # is taken away."""
    lines = []
    for line in EXAMPLE.read_text("utf-8").splitlines():
        text = line.lstrip().removeprefix("# ")
        key = text.split(":")[0]
        is_key = line.lstrip().startswith("# ") and key in OPTIONAL and "token" not in key
        lines.append(line[: len(line) - len(line.lstrip())] + text if is_key else line)
    text = "\n".join(lines)
    assert all(f"\n{' ' * depth}{key}:" in text for key, depth in OPTIONAL.items() if key != "token")
    settings = parse(text, sources=FROM, receivers=TO, environ={})
    assert settings.server is not None
    assert settings.routes[0].mapping == "my_package.mapping:to_warehouse"
    assert settings.sources["shop"].rate_limit == Rate.parse("60/min")


OPTIONAL = {
    "token": 4, "server": 0, "  host": 0, "  port": 0, "timeout": 4, "concurrency": 4, "rate_limit": 4, "retry": 4,
    "ack_interval": 4, "mapping": 4, "split_street": 4, "totals": 4,
}  # fmt: skip
"""The keys that the example has only as comments, with their indentation."""


def test_the_template_is_the_example() -> None:
    """`connector init` writes the very file that is tested here."""
    template = resources.files("connector.settings").joinpath("template.yaml")
    assert template.read_bytes() == EXAMPLE.read_bytes()
