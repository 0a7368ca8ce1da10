-- Differences between our records and the broker's that the operator has to see.
CREATE TABLE discrepancies (
    discrepancy_id   INTEGER PRIMARY KEY AUTOINCREMENT,
    kind             TEXT NOT NULL,
    subject          TEXT NOT NULL,   -- an order's id, a broker's number, a holding
    order_id         INTEGER,
    text             TEXT NOT NULL,
    action           TEXT NOT NULL,
    found_by         TEXT NOT NULL,
    first_seen_at    TEXT NOT NULL,
    last_seen_at     TEXT NOT NULL,
    resolved_at      TEXT,            -- NULL while it is found
    acknowledged_at  TEXT,
    acknowledged_by  TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE UNIQUE INDEX discrepancies_unresolved ON discrepancies (kind, subject)
    WHERE resolved_at IS NULL;
CREATE INDEX discrepancies_unacknowledged ON discrepancies (kind)
    WHERE acknowledged_at IS NULL;
CREATE INDEX discrepancies_by_order ON discrepancies (order_id);

-- The order of reconciliations, whatever the wall clock does.
ALTER TABLE reconciliations ADD COLUMN number INTEGER NOT NULL DEFAULT 0;

-- Whether every service had ended in order before a start of the platform.  If not, the
-- store may be a copy from when they ran.
ALTER TABLE starts ADD COLUMN is_orderly INTEGER NOT NULL DEFAULT 0
    CHECK (is_orderly IN (0, 1));

-- Whether a row of the broker's, with our id and our terms, has shown its number.
-- Until then the number is only what the answer to our request said.
ALTER TABLE orders ADD COLUMN is_number_confirmed INTEGER NOT NULL DEFAULT 0
    CHECK (is_number_confirmed IN (0, 1));
UPDATE orders SET is_number_confirmed = 1 WHERE broker_order_id IS NOT NULL;
