-- How often what the order was listed as has been replaced: what was mapped from an older listing is not sent any more.
ALTER TABLE orders ADD COLUMN payload_version INTEGER NOT NULL DEFAULT 0;
