-- One row for each trading day (the date in India): what risk_manager remembers.
CREATE TABLE risk_days (
    day          TEXT PRIMARY KEY,
    best_pnl     TEXT NOT NULL,
    last_pnl     TEXT NOT NULL,
    warned       INTEGER NOT NULL DEFAULT 0,
    breached     INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

CREATE INDEX orders_by_creation ON orders (created_at);
