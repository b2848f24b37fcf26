"""The meaning of a settings.yaml without mistakes."""

from __future__ import annotations

from pathlib import Path
from unittest import mock

import msgspec
import pytest

from connector.errors import SettingsError
from connector.settings import Duration, Secret, load
from connector.settings.model import RouteSettings
from tests.settings.vendors import ENVIRON, GOOD, RECEIVERS, SOURCES, ShopSettings, WmsSettings, changed, good, problems

USER = "username: me"
TOKEN = "token: ${SHOP_TOKEN}"


def shop(text: str, **environ: str) -> ShopSettings:
    """Return the source of these settings."""
    found = good(text, {**ENVIRON, **environ}).sources["shop"]
    assert isinstance(found, ShopSettings)
    return found


def wms(text: str, **environ: str) -> WmsSettings:
    """Return the receiver of these settings."""
    found = good(text, {**ENVIRON, **environ}).receivers["wms"]
    assert isinstance(found, WmsSettings)
    return found


def test_endpoints_are_their_vendors_structs() -> None:
    """Sources and receivers are instances of the structs that their `type` names, with the defaults of the family."""
    settings = good()
    assert shop(GOOD).token == Secret(ENVIRON["SHOP_TOKEN"])
    assert wms(GOOD).settle == Duration(60)
    assert (settings.routes[0].source, settings.routes[0].receivers) == ("shop", ["wms"])


@pytest.mark.attack(26)
@pytest.mark.parametrize("text", ["NO", "22:30", "2026-01-01", "on", "y", '"0123"', "0x", "1.2.3", "="])
def test_yaml_1_2_text_is_text(text: str) -> None:
    """Country codes, times, dates and quoted numbers stay text as written."""
    assert wms(changed(USER, f"username: {text}")).username == text.strip('"')


def test_byte_order_mark_and_line_ends() -> None:
    """A byte order mark and Windows line ends are accepted, and do not move the places of mistakes."""
    assert good("\ufeff" + GOOD.replace("\n", "\r\n")) == good()
    assert problems("\ufeff" + changed("sandbox", "prod").replace("\n", "\r\n"))[0].startswith("settings.yaml:1:14: ")


@pytest.mark.parametrize(
    ("written", "environ", "expected"),
    [
        ("${X}", {"X": "a"}, "a"),
        ("${X}", {"X": ""}, ""),
        ("${X:-b}", {"X": "a"}, "a"),
        ("${X:-b}", {"X": ""}, "b"),
        ("${X:-b}", {}, "b"),
        ("'${X:-}'", {}, ""),
        ("a-${X}-${Y:-c}", {"X": "b"}, "a-b-c"),
        ("$${X}", {"X": "a"}, "${X}"),
        ("$X $ {X} }", {"X": "a"}, "$X $ {X} }"),
        ("${X}", {"X": "${Y}"}, "${Y}"),
        ("${X}", {"X": "a: [1]\nb: !!python/object:os.system {}"}, "a: [1]\nb: !!python/object:os.system {}"),
        ("${X}", {"X": "0123"}, "0123"),
        ("${X}", {"X": "true"}, "true"),
    ],
)
def test_references(written: str, environ: dict[str, str], expected: str) -> None:
    """References are filled in once, in values, and the result is never parsed as YAML."""
    assert wms(changed(USER, f"username: {written}"), **environ).username == expected


def test_filled_in_text_takes_the_wanted_type() -> None:
    """Where a number, a boolean or a duration is required, filled-in text is converted to it."""
    more = "\n    page_size: ${P:-7}\n    archived: ${A:-True}\n    timeout: ${T:-90}\n    concurrency: ${C}"
    found = shop(changed(TOKEN, TOKEN + more), C=" 3 ")
    assert (found.page_size, found.archived, found.timeout, found.concurrency) == (7, True, 90.0, 3)
    assert good(changed("routes:", "server: {port: '${PORT:-9090}'}\nroutes:")).server.port == 9090  # type: ignore[union-attr]


def test_references_in_keys_are_not_filled_in() -> None:
    """A key stays as it is written."""
    assert any("${SHOP_TOKEN}" in line for line in problems(changed("  wms:", "  ${SHOP_TOKEN}:")))


@pytest.mark.attack(25)
def test_secret_from_a_file(tmp_path: Path) -> None:
    """`${file:...}` is the file without its last line break; a relative path is relative to settings.yaml."""
    (tmp_path / "token").write_bytes(b"from-the-file\r\n")
    name = str(tmp_path / "settings.yaml")
    for path in (tmp_path / "token", "token"):
        settings = good(changed(TOKEN, f"token: ${{file:{path}}}"), name=name)
        assert settings.sources["shop"].token.reveal() == "from-the-file"


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"x" * 65537, "larger than 64 KiB"), (b"\xff\xfe", "not text in UTF-8"), (b"a\0b", "not text in UTF-8")],
)
def test_unusable_secret_file(tmp_path: Path, content: bytes, words: str) -> None:
    """A file that cannot be a secret is reported by name, without its content."""
    (tmp_path / "token").write_bytes(content)
    (problem,) = problems(changed(TOKEN, f"token: ${{file:{tmp_path / 'token'}}}"))
    assert problem.startswith("settings.yaml:6:12: sources.shop.token: the file ")
    assert problem.endswith(words)


def test_folder_as_secret_file(tmp_path: Path) -> None:
    """A folder, a pipe or a device is not a secret; reading a pipe could block forever."""
    (problem,) = problems(changed(TOKEN, f"token: ${{file:{tmp_path}}}"))
    assert problem.endswith("is not a regular file")


@pytest.mark.attack(25)
def test_production_refuses_literal_secrets() -> None:
    """In production a secret must come from outside the file: literals and defaults are rejected."""
    text = changed("sandbox", "production").replace("${SHOP_TOKEN}", "plain").replace("${WMS_PASSWORD}", "${NO:-plain}")
    first, second = problems(text)
    assert first.startswith(
        "settings.yaml:6:12: sources.shop.token: in production a secret must not be written in this file"
    )
    assert second.startswith(
        "settings.yaml:12:15: receivers.wms.password: in production a secret must not be written in this file"
    )
    assert "plain" not in first + second
    assert good(changed("sandbox", "production")).environment == "production"
    assert good(text.replace("production", "sandbox")).environment == "sandbox"


@pytest.mark.attack(25)
def test_a_secret_in_the_file_hides_no_mistake_of_a_route() -> None:
    """A route from a production source to a test system is reported beside the secrets written in the file."""
    text = changed("sandbox", "production").replace("${SHOP_TOKEN}", "plain").replace("${WMS_PASSWORD}", "plain")
    *secrets, route = problems(text.replace("wms.example", "test.wms.example"))
    assert 2 == len(secrets)
    assert (
        "routes.0.receivers.0: orders of a production source would be acknowledged after delivery to a sandbox receiver"
        in route
    )


@pytest.mark.fault(144)
@pytest.mark.parametrize("environment", ["production", "sandbox"])
@pytest.mark.parametrize("address", ["//TEST.wms.example", "//127.0.0.1"])
def test_a_production_source_with_a_sandbox_receiver_is_refused(environment: str, address: str) -> None:
    """A production source is never acknowledged because a test system, or a stand-in on this machine, has the order."""
    text = changed("sandbox", environment).replace("//wms.example", address)
    assert any("receivers.0: orders of a production source would be acknowledged" in each for each in problems(text))
    if "test" in address.lower():
        (problem,) = problems(text)
        assert problem == (
            "settings.yaml:15:17: routes.0.receivers.0: orders of a production source would be acknowledged after "
            "delivery to a sandbox receiver; if the source is a test system too, add test_system: true to sources.shop"
        )
        assert good(text.replace("//shop.example", "//test.shop.example")).environment == environment
        declared = text.replace("    type: shop\n", "    type: shop\n    test_system: true\n")
        assert good(declared).environment == environment


def test_a_receiver_can_say_that_it_is_a_test_system() -> None:
    """`test_system` marks a test system whose address does not show it."""
    text = GOOD.replace("    type: wms\n", "    type: wms\n    test_system: true\n")
    (problem,) = problems(text)
    assert "orders of a production source would be acknowledged" in problem


def test_unused_receiver() -> None:
    """A receiver that no route names is accepted."""
    more = "  spare: {type: wms, base_url: https://w.example, username: a, password: b}\nroutes:"
    assert "spare" in good(changed("routes:", more)).receivers


def test_load_reads_a_file(tmp_path: Path) -> None:
    """Relative paths start in the folder of the file, and mistakes carry its name as the user wrote it."""
    path = tmp_path / "my.yaml"
    path.write_text(GOOD, encoding="utf-8")
    expected = msgspec.structs.replace(good(), journal=str(tmp_path / "connector.db"))
    assert load(path, sources=SOURCES, receivers=RECEIVERS, environ=ENVIRON) == expected
    path.write_text(changed("sandbox", "prod"), encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        load(str(path), sources=SOURCES, receivers=RECEIVERS, environ=ENVIRON)
    assert caught.value.problems[0].startswith(f"{path}:1:14: environment: ")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"a: \xc3\xa4\nb: \xc3\xa4\xff\n", ":2:5: this is not text in UTF-8; save the file as UTF-8"),
        (b"# \xc3\xa4" * 300_000, ": the file is larger than 1 MiB"),
        (None, ": there is no such file; `connector init` creates one"),
    ],
)
def test_unreadable_file(tmp_path: Path, content: bytes | None, words: str) -> None:
    """A file that cannot be read as text is reported in one line."""
    path = tmp_path / "settings.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SettingsError) as caught:
        load(path, sources=SOURCES, receivers=RECEIVERS, environ=ENVIRON)
    assert caught.value.problems == (f"{path}{words}",)


def test_folder_as_settings(tmp_path: Path) -> None:
    """A folder in place of the file is a settings error, not a crash."""
    with pytest.raises(SettingsError, match="the file cannot be read: Is a directory"):
        load(tmp_path, sources=SOURCES, receivers=RECEIVERS, environ=ENVIRON)


@pytest.mark.parametrize(
    ("receivers", "optional", "summary"),
    [
        (["wms"], [], "shop to wms"),
        (["wms", "erp"], [], "shop to wms and erp"),
        (["wms", "erp"], ["archive", "copy"], "shop to wms and erp, optionally archive and copy"),
    ],
)
def test_a_route_in_words(receivers: list[str], optional: list[str], summary: str) -> None:
    """`check` and the log describe a route with its optional receivers."""
    assert RouteSettings(source="shop", receivers=receivers, optional=optional).summary == summary


@pytest.mark.fault(125)
def test_two_sources_whose_orders_could_share_an_external_id_are_refused() -> None:
    """`shop` with order `a-1` and `shop-a` with order `1` would share an id; numeric order ids cannot collide."""
    more = "  shop-a: {type: shop, base_url: https://a.example, token: x}\nreceivers:"
    routes = "    receivers: [wms]\n  - {source: shop-a, receivers: [wms]}\n"
    text = GOOD.replace("receivers:", more, 1).replace("    receivers: [wms]\n", routes)

    (problem,) = problems(text)

    assert "sources.shop-a: an order of shop and one of this source could get the same external id" in problem
    with mock.patch.object(ShopSettings, "numeric_ids", True):
        assert {"shop", "shop-a"} == set(good(text).sources)
