-- Times are ISO 8601 in UTC with microseconds, so that they sort as text.
-- Prices are decimal text in rupees, never floats.

CREATE TABLE alerts (
    alert_id     TEXT PRIMARY KEY,
    dedupe_key   TEXT NOT NULL,
    received_at  TEXT NOT NULL,
    strategy     TEXT NOT NULL,
    body         TEXT NOT NULL,   -- canonical JSON without the secret
    status       TEXT NOT NULL,   -- received -> planned -> completed | skipped
    outcome      TEXT NOT NULL DEFAULT ''
) STRICT, WITHOUT ROWID;
CREATE INDEX alerts_by_dedupe_key ON alerts (dedupe_key, received_at);
CREATE INDEX alerts_by_status ON alerts (status, received_at);
CREATE INDEX alerts_by_time ON alerts (received_at);

CREATE TABLE orders (
    order_id         INTEGER PRIMARY KEY AUTOINCREMENT,
    client_order_id  TEXT NOT NULL UNIQUE,
    alert_id         TEXT NOT NULL REFERENCES alerts (alert_id),
    leg              INTEGER NOT NULL,
    attempt          INTEGER NOT NULL,
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
    -- One leg is ordered once; only a proven absence makes a second attempt.
    UNIQUE (alert_id, leg, attempt)
) STRICT;
CREATE INDEX orders_by_status ON orders (status, order_id);
CREATE UNIQUE INDEX orders_by_broker_order_id ON orders (broker_order_id)
    WHERE broker_order_id IS NOT NULL;

CREATE TABLE events (
    event_id      INTEGER PRIMARY KEY AUTOINCREMENT,
    alert_id      TEXT,
    order_id      INTEGER,
    trigger       TEXT NOT NULL,
    order_status  TEXT NOT NULL,
    service       TEXT NOT NULL,
    run_id        TEXT NOT NULL,
    occurred_at   TEXT NOT NULL,
    text          TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX events_by_alert ON events (alert_id);
CREATE INDEX events_by_order ON events (order_id);

CREATE TABLE fills (
    order_id      INTEGER NOT NULL REFERENCES orders (order_id),
    trade_id      TEXT NOT NULL,
    quantity      INTEGER NOT NULL CHECK (quantity > 0),
    price         TEXT NOT NULL,
    realised_pnl  TEXT NOT NULL,
    filled_at     TEXT NOT NULL,
    -- A report that comes twice is one trade.
    PRIMARY KEY (order_id, trade_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX fills_by_time ON fills (filled_at);

CREATE TABLE positions (
    strategy       TEXT NOT NULL,
    exchange       TEXT NOT NULL,
    tradingsymbol  TEXT NOT NULL,
    product        TEXT NOT NULL,
    quantity       INTEGER NOT NULL,
    average_price  TEXT NOT NULL,
    realised_pnl   TEXT NOT NULL,
    updated_at     TEXT NOT NULL,
    PRIMARY KEY (strategy, exchange, tradingsymbol, product)
) STRICT, WITHOUT ROWID;

CREATE TABLE prices (
    exchange       TEXT NOT NULL,
    tradingsymbol  TEXT NOT NULL,
    last_price     TEXT NOT NULL,
    updated_at     TEXT NOT NULL,
    PRIMARY KEY (exchange, tradingsymbol)
) STRICT, WITHOUT ROWID;

CREATE TABLE services (
    service     TEXT PRIMARY KEY,
    run_id      TEXT NOT NULL,
    pid         INTEGER NOT NULL,
    status      TEXT NOT NULL,
    started_at  TEXT NOT NULL,
    beat_at     TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- The newest row counts; the others are its history.
CREATE TABLE trading (
    trading_id  INTEGER PRIMARY KEY AUTOINCREMENT,
    state       TEXT NOT NULL CHECK (state IN ('ACTIVE', 'REDUCING', 'HALTED')),
    reason      TEXT NOT NULL,
    set_by      TEXT NOT NULL,
    set_at      TEXT NOT NULL
) STRICT;

CREATE TABLE cancel_requests (
    order_id      INTEGER PRIMARY KEY REFERENCES orders (order_id),
    requested_by  TEXT NOT NULL,
    requested_at  TEXT NOT NULL,
    result        TEXT
) STRICT;
CREATE INDEX cancel_requests_open ON cancel_requests (requested_at)
    WHERE result IS NULL;
