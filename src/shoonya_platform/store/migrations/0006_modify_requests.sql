-- Other terms that somebody wants for an order: one request at a time.
CREATE TABLE modify_requests (
    order_id       INTEGER PRIMARY KEY REFERENCES orders (order_id),
    quantity       INTEGER NOT NULL CHECK (quantity > 0),
    price          TEXT,
    trigger_price  TEXT,
    stage          TEXT NOT NULL,
    requested_by   TEXT NOT NULL,
    requested_at   TEXT NOT NULL,
    result         TEXT
) STRICT;
CREATE INDEX modify_requests_open ON modify_requests (stage, requested_at)
    WHERE result IS NULL;
