-- The products that the broker's account may use, by exchange.  No row at all: the
-- broker has not said.
CREATE TABLE products (
    exchange  TEXT NOT NULL,
    product   TEXT NOT NULL,
    PRIMARY KEY (exchange, product)
) STRICT, WITHOUT ROWID;

-- What the broker said an alert's entry would need, as it was planned.
CREATE TABLE margins (
    alert_id   TEXT PRIMARY KEY,
    required   TEXT,               -- rupees; NULL: the question failed
    available  TEXT,
    is_refused INTEGER NOT NULL CHECK (is_refused IN (0, 1)),
    failure    TEXT NOT NULL DEFAULT '',
    asked_at   TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Looked for at each step of trading_bot.
CREATE INDEX orders_refused_exits ON orders (alerted_at)
    WHERE status = 'rejected' AND intent = 'exit';
