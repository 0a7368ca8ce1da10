-- A leg that is too large for one order goes out in parts, each an order of its own.
-- SQLite cannot change a table's UNIQUE, so the table is made anew.
CREATE TABLE orders_in_parts (
    order_id         INTEGER PRIMARY KEY AUTOINCREMENT,
    client_order_id  TEXT NOT NULL UNIQUE,
    alert_id         TEXT NOT NULL REFERENCES alerts (alert_id),
    leg              INTEGER NOT NULL,
    attempt          INTEGER NOT NULL,
    part             INTEGER NOT NULL,
    strategy         TEXT NOT NULL,
    intent           TEXT NOT NULL,
    exchange         TEXT NOT NULL,
    tradingsymbol    TEXT NOT NULL,
    side             TEXT NOT NULL CHECK (side IN ('BUY', 'SELL')),
    quantity         INTEGER NOT NULL CHECK (quantity > 0),
    order_type       TEXT NOT NULL,
    price            TEXT,
    trigger_price    TEXT,
    product          TEXT NOT NULL,
    time_in_force    TEXT NOT NULL,
    reference_price  TEXT,
    status           TEXT NOT NULL,
    broker_order_id  TEXT,
    filled_quantity  INTEGER NOT NULL DEFAULT 0
                     CHECK (filled_quantity BETWEEN 0 AND quantity),
    average_price    TEXT,
    reason           TEXT NOT NULL DEFAULT '',
    alerted_at       TEXT NOT NULL,
    created_at       TEXT NOT NULL,
    updated_at       TEXT NOT NULL,
    -- One part of a leg is ordered once; only a proven absence makes a second attempt.
    UNIQUE (alert_id, leg, part, attempt)
) STRICT;
INSERT INTO orders_in_parts SELECT
    order_id, client_order_id, alert_id, leg, attempt, 1, strategy, intent, exchange,
    tradingsymbol, side, quantity, order_type, price, trigger_price, product,
    time_in_force, reference_price, status, broker_order_id, filled_quantity,
    average_price, reason, alerted_at, created_at, updated_at
FROM orders;
-- The numbers go on where they were, also where the newest order is gone.
UPDATE sqlite_sequence SET seq = max(seq,
    coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'orders'), 0))
WHERE name = 'orders_in_parts';
DROP TABLE orders;
ALTER TABLE orders_in_parts RENAME TO orders;
CREATE INDEX orders_by_status ON orders (status, order_id);
CREATE UNIQUE INDEX orders_by_broker_order_id ON orders (broker_order_id)
    WHERE broker_order_id IS NOT NULL;
CREATE INDEX orders_by_creation ON orders (created_at);
-- Exits go out first, and must not be looked for among a flood of entries.
CREATE INDEX orders_exits_ready ON orders (order_id)
    WHERE status = 'guard_passed' AND intent = 'exit';
