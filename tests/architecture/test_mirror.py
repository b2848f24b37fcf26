"""The tests mirror the package: whoever looks for the tests of a module finds them under its path, or in this table."""

from __future__ import annotations

from collections.abc import Iterator

from tests.architecture.source import ROOT, package

COVERED = {
    "attacks/test_secrets.py": "settings.interpolation",
    "cli/test_backup.py": "journal.backup",
    "cli/test_check.py": "pipeline.conformance settings.problems",
    "cli/test_command_line.py": "cli.echo cli.init cli.orders cli.param_types cli.preview cli.schema cli.show cli.test",
    "cli/test_decisions.py": "cli.retry cli.skip",
    "cli/test_demo.py": "cli.demo_narrator cli.demo_scenes sandbox.catalogue sandbox.records sandbox.vendors",
    "cli/test_live_counts.py": "cli.counters",
    "cli/test_readme.py": "cli.exit_codes",
    "cli/test_reconcile.py": "reconcile.repair reconcile.unknown_orders reconcile.wording",
    "cli/test_signals.py": "early_signals",
    "cli/test_summary.py": "cli.end_state pipeline.drain",
    "cli/test_volumes.py": "journal.engine.disk_errors journal.tables.identity",
    "contracts": "errors events journal.base journal.records receivers.base sources.base",
    "flow/test_crash.py": "pipeline.pipeline pipeline.delivery.attempt journal.tables.payloads",
    "flow/test_flow.py": "ack pipeline.assembly pipeline.delivery.task pipeline.routes pipeline.stages",
    "flow/test_identity.py": "mapping.identity",
    "flow/test_storage.py": "journal.engine.opening journal.engine.store",
    "flow/test_vendors.py": "app",
    "journal/engine/test_clock_steps.py": "journal.engine.codec journal.repairs",
    "journal/test_decisions.py": "causes journal.engine.deciding",
    "journal/test_sqlite.py": (
        "journal.tables.acks journal.tables.endpoints journal.tables.orders journal.tables.orders_listed"
    ),
    "journal/views/test_status.py": "journal.engine.reader journal.views.orders journal.views.timeline",
    "mapping/test_compiler.py": "mapping.field_types mapping.json_types mapping.request_fields",
    "mapping/test_expressions.py": "mapping.functions mapping.scope",
    "pipeline/acks/test_acknowledger_relisted.py": "journal.tables.relisted",
    "pipeline/acks/test_calls_terms.py": "journal.tables.ack_terms",
    "pipeline/delivery/test_amender.py": "journal.tables.changes",
    "pipeline/delivery/test_rejections.py": "journal.tables.rejections",
    "pipeline/ingest/test_producer.py": "pipeline.ingest.pages",
    "pipeline/ingest/test_replays.py": "journal.tables.replays",
    "pipeline/ingest/test_shortfall.py": "pipeline.ingest.surplus",
    "pipeline/reports/test_reporter.py": "pipeline.reports.watcher progress",
    "pipeline/test_poison.py": "pipeline.endpoint_status",
    "receivers/ewarehousing/test_amend.py": "receivers.ewarehousing.diff",
    "receivers/ewarehousing/test_mapping.py": "receivers.ewarehousing.metadata",
    "receivers/ewarehousing/test_receiver.py": (
        "clients.ewarehousing.settings receivers.ewarehousing.settings"
        " sandbox.ewarehousing.listing sandbox.ewarehousing.orders"
    ),
    "receivers/file/test_handover.py": "receivers.file.handover_log receivers.file.settings receivers.file.staging",
    "receivers/file/test_rows_csv.py": "receivers.file.columns",
    "receivers/file/test_store.py": "receivers.file.disk receivers.file.index",
    "receivers/webhook/test_receiver_wire.py": "receivers.webhook.settings sandbox.webhook",
    "reconcile/test_compare.py": "journal.views.audit reconcile.evidence reconcile.findings",
    "sandbox/ewarehousing/test_app.py": "sandbox.ewarehousing.shipments sandbox.ewarehousing.validation",
    "sandbox/propeller/test_app.py": "sandbox.propeller.search",
    "sandbox/traede/test_app.py": "sandbox.traede.export sandbox.traede.orders",
    "sandbox/zendera/test_app.py": "sandbox.zendera.shipments",
    "settings/test_example.py": "settings.yaml_file",
    "settings/test_paths.py": "settings.file_checks settings.witness_checks",
    "settings/test_validation.py": "settings.json_schema settings.mapping_checks settings.model settings.route_checks",
    "sources/ewarehousing/test_source.py": "sources.ewarehousing.paging sources.ewarehousing.settings",
    "sources/propeller/test_source.py": "sources.propeller.settings sources.propeller.wire",
    "sources/test_cases.py": "sources.parsing sources.reading sources.traede.parsing",
    "sources/test_overruled.py": "sources.ack_text",
    "sources/traede/test_source.py": "sources.traede.settings",
    "sources/zendera/test_order.py": "sources.zendera.parcels sources.zendera.wire",
    "sources/zendera/test_reports.py": "sources.zendera.timeline",
    "sources/zendera/test_source.py": "sources.zendera.settings",
    "unit/test_plugins.py": "registry",
    "wire/test_connecting.py": "http.connection_errors",
    "wire/test_repeats.py": "http.send_once",
}
"""For tests that cover more than the module of their own path: the further modules, below `connector`."""


def missing() -> Iterator[str]:
    """Yield the modules that have no test module under their path."""
    for module in package().values():
        _, *folders, name = module.name.split(".") if module.name != "connector" else ("", "__init__")
        if module.is_package or name == "__main__":
            continue
        folder = ROOT.joinpath("tests", *(folders or ["unit"]))
        if not any(folder.glob(f"test_{name}.py")) and not any(folder.glob(f"test_{name}_*.py")):
            yield ".".join([*folders, name])


def test_every_module_has_its_tests_under_its_path() -> None:
    """Or stands in the table, with the tests that cover it; the table names no module that has its own."""
    covered = [name for names in COVERED.values() for name in names.split()]
    assert sorted(missing()) == sorted(covered)


def test_the_tests_of_the_table_exist() -> None:
    """A path that leads nowhere covers nothing."""
    assert [path for path in COVERED if not (ROOT / "tests" / path).exists()] == []
