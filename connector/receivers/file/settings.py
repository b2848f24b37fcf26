"""The settings of a file as a receiver."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import msgspec
from msgspec import Meta

from connector.mapping.plain import PlainOrder
from connector.receivers.file.columns import problem
from connector.receivers.file.rows import Formulas
from connector.settings.model import ReceiverSettings
from connector.settings.paths import LOCAL_PATH
from connector.settings.values import Duration

__all__ = ["BatchSettings", "FileSettings", "FormulaSettings"]


class BatchSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The limits at which a batch of orders becomes a file, for `hand_over: rename`; the first one reached counts."""

    orders: Annotated[int, Meta(ge=1, le=256, description="This many orders.")] = 64
    size: Annotated[int, Meta(ge=1, description="This many bytes, or more with the order that reaches it.")] = 1_048_576
    age: Annotated[Duration, Meta(description="This long after its first order; shorter than the timeout.")] = Duration(
        1
    )


class FormulaSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The treatment of texts that a spreadsheet would read as a formula, by the content of their column."""

    phone: Annotated[Formulas, Meta(description="Columns of phone, mobile and fax numbers.")] = "escape"
    code: Annotated[Formulas, Meta(description="Columns of ids, article codes, references and the like.")] = "escape"
    text: Annotated[Formulas, Meta(description="All other columns.")] = "escape"


class FileSettings(ReceiverSettings, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="file"):
    """A receiver of `type: file`."""

    writes: ClassVar[tuple[str, ...]] = ("path",)
    lists_newest: ClassVar[bool] = True

    path: Annotated[
        str, LOCAL_PATH, Meta(description="The file, relative to the settings file. Its folder must be there.")
    ]
    format: Literal["jsonl", "csv"] = "jsonl"
    rotate: Annotated[
        Literal["none", "daily"],
        Meta(description="daily: orders.jsonl becomes orders-2026-03-24.jsonl, by the UTC day of writing."),
    ] = "none"
    columns: Annotated[
        list[str],
        Meta(description="For csv: names such as customer.name or lines.0.sku, with rows: line also lines.sku."),
    ] = msgspec.field(default_factory=list)
    formulas: Annotated[
        Formulas | FormulaSettings,
        Meta(
            description="For csv: what becomes of a text that begins as a formula does, +31 20 1234567 for example. "
            "escape: an apostrophe comes before it; refuse: the order is refused; allow: it stays as it is."
        ),
    ] = "escape"
    rows: Annotated[
        Literal["order", "line"], Meta(description="For csv: a row for each order, or for each of its lines.")
    ] = "order"
    hand_over: Annotated[
        Literal["append", "follow", "rename"],
        Meta(
            description="append: one file, which a consumer takes away by renaming it. follow: one file that is never "
            "renamed, for a consumer that reads on as it grows (tail -F, a log shipper). rename: a new file for each "
            "batch (orders-20260324T092607Z-000001.jsonl), never changed once it is there."
        ),
    ] = "append"
    batch: Annotated[BatchSettings, Meta(description="For hand_over: rename; when a batch becomes a file.")] = (
        BatchSettings()
    )
    mode: Annotated[
        str,
        Meta(
            pattern=r"^0?[4-7][0-7]{2}$",
            description="The rights of a file that is made here, in quotes; its owner may read it, and append to it.",
            extra_json_schema={"x-form": '"0640"'},
        ),
    ] = "0600"
    concurrency: Annotated[int, Meta(ge=1, le=256, description="Orders that may share one write.")] = 64

    def __post_init__(self) -> None:
        if not self.path.isprintable() or Path(self.path).name in ("", "..") or self.path.endswith(("/", "/.")):
            raise ValueError("path: this is not the name of a file")

    def problems(self) -> list[tuple[str, str]]:
        """Return contradictions between keys: (key, problem)."""
        return [*self._of_columns(), *self._of_hand_over()]

    def _of_hand_over(self) -> list[tuple[str, str]]:
        found = []
        if self.hand_over != "rename":
            if self.batch != BatchSettings():
                found.append(("batch", "this is for hand_over: rename"))
            if not int(self.mode, 8) & 0o200:
                found.append(("mode", "unless hand_over is rename, its owner has to be able to write it, as in 0640"))
            return found
        if self.rotate != "none":
            found.append(("rotate", "with hand_over: rename each batch is a file of its own"))
        if self.batch.age >= self.timeout:
            found.append(("batch.age", "an order waits for its batch, so this has to be shorter than the timeout"))
        return found

    def _of_columns(self) -> list[tuple[str, str]]:
        if self.format != "csv":
            wrong = [
                ("columns", bool(self.columns)),
                ("rows", self.rows != "order"),
                ("formulas", self.formulas != "escape"),
            ]
            return [(key, "this is for format: csv") for key, given in wrong if given]
        return [("columns", "the same column is there twice")] if len(set(self.columns)) < len(self.columns) else []

    def problems_with(self, mappings: Sequence[Any]) -> list[tuple[str, str]]:
        """Return columns that no mapped order has, as (key, problem); the result of a function is unknown."""
        if self.format != "csv" or any(isinstance(mapping, str) for mapping in mappings):
            return []
        own = {key for mapping in mappings if isinstance(mapping, dict) for key in mapping}
        if mappings and all(isinstance(each, dict) and each.get("defaults") is False for each in mappings):
            return self._unwritten(own - {"defaults"} | {"external_id"})
        if not self.columns and (more := own - {"defaults"} - set(PlainOrder.__struct_fields__)):
            return [("columns", f"name them; the mapping gives {', '.join(sorted(more))}, which have no column else")]
        found = [
            problem(column, per_line=self.rows == "line") for column in self.columns if column.split(".")[0] not in own
        ]
        return [("columns", text) for text in found if text]

    def _unwritten(self, given: set[str]) -> list[tuple[str, str]]:
        """Return the problems of columns for a mapping that makes these keys only."""
        listed = f"the mapping gives {', '.join(sorted(given))}"
        if not self.columns:
            return [("columns", f"name them, as defaults is false; {listed}")]
        if self.rows == "line" and "lines" not in given:
            return [("rows", f"there are no lines to have a row each; {listed}")]
        return [
            ("columns", f"{each!r} is no column; {listed}") for each in self.columns if each.split(".")[0] not in given
        ]
