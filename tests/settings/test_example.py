"""The project's settings.yaml works as it is."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from connector.errors import SettingsError
from connector.receivers import RECEIVERS
from connector.sandbox import EWAREHOUSING_PORT, PROPELLER_PORT, TRAEDE_PORT, WEBHOOK_PORT, ZENDERA_PORT
from connector.settings import Rate, ReceiverSettings, Settings, SourceSettings, load, parse, schema
from connector.settings.yaml_file import read
from connector.sources import SOURCES

EXAMPLE = Path(__file__).parents[2] / "settings.yaml"
FROM: dict[str, type[SourceSettings]] = {name: vendor.settings for name, vendor in SOURCES.items()}  # type: ignore[attr-defined]
TO: dict[str, type[ReceiverSettings]] = {name: vendor.settings for name, vendor in RECEIVERS.items()}


def example(environ: dict[str, str] | None = None) -> Settings:
    """Load the file with the real vendors, in an empty environment unless one is given."""
    return load(EXAMPLE, sources=FROM, receivers=TO, environ=environ or {})


def test_it_loads_in_an_empty_environment() -> None:
    """Without any variable set, it names the stand-ins on this machine, on their ports."""
    settings = example()
    ends = {**settings.sources, **settings.receivers}
    assert settings.environment == "sandbox"
    assert {name: str(end.base_url) for name, end in ends.items() if hasattr(end, "base_url")} == {
        "shop": f"http://127.0.0.1:{PROPELLER_PORT}",
        "wholesale": f"http://127.0.0.1:{TRAEDE_PORT}",
        "production": f"http://127.0.0.1:{TRAEDE_PORT}",
        "transport": f"http://127.0.0.1:{ZENDERA_PORT}/api",
        "warehouse": f"http://127.0.0.1:{EWAREHOUSING_PORT}",
        "erp": f"http://127.0.0.1:{WEBHOOK_PORT}/orders",
    }
    assert settings.receivers["erp"].find_url == settings.receivers["erp"].url
    assert settings.receivers["warehouse"].settle == 2.0
    assert {(route.source, *route.receivers, *route.optional) for route in settings.routes} == {
        ("shop", "warehouse"),
        ("wholesale", "warehouse"),
        ("production", "erp", "archive"),
        ("transport", "warehouse"),
    }


def test_it_has_every_kind_of_source_and_receiver() -> None:
    """All types are in use, except eWarehousing as a source, which would feed each order back as another one."""
    settings = example()
    kinds = [{type(own) for own in part.values()} for part in (settings.sources, settings.receivers)]
    assert kinds == [set(FROM.values()) - {FROM["ewarehousing"]}, set(TO.values())]
    assert "#   type: ewarehousing" in EXAMPLE.read_text("utf-8")


def test_it_moves_no_stock() -> None:
    """`regulate_inventory` is written out because it is required, with the value that can be undone."""
    assert example().sources["wholesale"].regulate_inventory is False


def test_its_variables_reach_the_endpoints() -> None:
    """Each variable that the file names reaches its key."""
    names = set(re.findall(r"\$\{([A-Z]+_\w+):-", EXAMPLE.read_text("utf-8"))) - {"CONNECTOR_ENVIRONMENT"}
    given = {name: f"https://{name.lower().replace('_', '-')}.example" for name in names}
    given |= {"CONNECTOR_JOURNAL": "/var/lib/connector/journal.db", "ARCHIVE_PATH": "/srv/orders.jsonl"}
    settings = example(given)
    shop, wholesale, production, transport = (
        settings.sources[name] for name in ("shop", "wholesale", "production", "transport")
    )
    warehouse, erp, archive = (settings.receivers[name] for name in ("warehouse", "erp", "archive"))
    reached = {
        "CONNECTOR_JOURNAL": {settings.journal},
        "PROPELLER_URL": {shop.base_url},
        "PROPELLER_CLIENT_ID": {shop.client_id},
        "PROPELLER_CLIENT_SECRET": {shop.client_secret.reveal()},
        "TRAEDE_URL": {wholesale.base_url, production.base_url},
        "TRAEDE_TOKEN": {wholesale.token.reveal(), production.token.reveal()},
        "TRAEDE_APP_KEY": {wholesale.app_key.reveal(), production.app_key.reveal()},
        "TRAEDE_SYSTEM_ID": {wholesale.system_id, production.system_id},
        "ZENDERA_URL": {transport.base_url},
        "ZENDERA_API_KEY": {transport.api_key.reveal()},
        "EWH_URL": {warehouse.base_url},
        "EWH_USERNAME": {warehouse.username},
        "EWH_PASSWORD": {warehouse.password.reveal()},
        "EWH_WMS_CODE": {warehouse.wms_code},
        "EWH_CUSTOMER_CODE": {warehouse.customer_code},
        "ERP_URL": {erp.url, erp.find_url},
        "ERP_WEBHOOK_SECRET": {erp.secret.reveal()},
        "ARCHIVE_PATH": {archive.path},
    }
    assert reached == {name: {value} for name, value in given.items()}


def test_production_needs_real_secrets() -> None:
    """In production the secrets and addresses of the stand-ins are rejected, each at its place."""
    with pytest.raises(SettingsError, match="in production a secret must not be written in this file") as caught:
        example({"CONNECTOR_ENVIRONMENT": "production"})
    assert [problem.split(": ")[1] for problem in caught.value.problems if "needs allow_private" in problem] == [
        "sources.shop.base_url",
        "sources.wholesale.base_url",
        "sources.production.base_url",
        "sources.transport.base_url",
        "receivers.warehouse.base_url",
        "receivers.erp.url",
        "receivers.erp.find_url",
    ]
    said = [problem.split(": ")[1] for problem in caught.value.problems if "needs allow_private" not in problem]
    assert said == [
        "sources.shop.client_secret",
        "sources.wholesale.token",
        "sources.wholesale.app_key",
        "sources.production.token",
        "sources.production.app_key",
        "sources.transport.api_key",
        "receivers.warehouse.password",
        "receivers.erp.secret",
    ]


def test_the_schema_accepts_it() -> None:
    """An editor with the JSON Schema finds nothing wrong with it."""
    found = Draft202012Validator(schema(FROM, TO)).iter_errors(read(EXAMPLE.read_text("utf-8")).values)
    assert list(found) == []


def test_every_commented_out_key_works() -> None:
    """Commented-out keys work once the # is removed, except `token`, which excludes the keys beside it."""
    text = EXAMPLE.read_text("utf-8")
    uncommented = [KEY.sub(r"\1\2", line) for line in text.splitlines() if "token: ${PROPELLER_TOKEN}" not in line]
    settings = parse("\n".join(uncommented), sources=FROM, receivers=TO, environ={})
    assert settings.server is not None
    assert settings.sources["shop"].rate_limit == Rate.parse("60/min")
    assert settings.sources["transport"].cash_on_delivery == "each"
    assert type(settings.sources["mirror"]) is FROM["ewarehousing"]
    assert settings.receivers["archive"].format == "csv"
    routes = {route.source: route for route in settings.routes}
    assert routes["wholesale"].mapping == "my_package.mapping:to_warehouse"
    assert routes["transport"].progress.interval == 300.0
    assert routes["mirror"].receivers == ["archive"]


def test_what_is_commented_out_as_the_default_is_the_default() -> None:
    """A comment that shows a key's default shows the right value."""
    examples = [
        "token",
        "rate_limit",
        "cash_on_delivery",
        "format",
        "columns",
        "filters",
        "filter_groups",
        "cancelled",
        "mapping",
        "progress",
        "success",
        "witness",
    ]
    shown = 0
    lines = []
    for line in EXAMPLE.read_text("utf-8").splitlines():
        found = KEY.fullmatch(line)
        if found and found[1] == "    " and found[2].split(":")[0] not in examples:
            shown += 1
            line = found[1] + found[2]
        lines.append(line)
    assert shown > 20
    assert parse("\n".join(lines), sources=FROM, receivers=TO, environ={}) == example()


KEY = re.compile(r"^( *)# ((?:(?<=^  # )  )?(?:- \{)?[a-z_]+:(?: .*)?)$", re.MULTILINE)
"""A commented-out key: after a # and one space, or three within a block."""


def test_the_template_is_the_example() -> None:
    """`connector init` writes exactly the file that is tested here."""
    template = resources.files("connector.settings").joinpath("template.yaml")
    assert template.read_bytes() == EXAMPLE.read_bytes()
