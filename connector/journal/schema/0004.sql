-- A report that a person has given up stays parked, and nobody is asked about it any more.
ALTER TABLE reports ADD COLUMN dropped_at INTEGER;

CREATE INDEX reports_parked ON reports (source, reason) WHERE state = 'parked' AND dropped_at IS NULL;
