-- What the last poll of a source could not see, as JSON; empty when it saw everything. `connector.journal.shortfall`.
ALTER TABLE sources ADD COLUMN shortfall TEXT NOT NULL DEFAULT '';
