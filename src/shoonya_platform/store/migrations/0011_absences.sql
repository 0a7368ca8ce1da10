-- Orders with an unknown outcome that readings of the broker's order book lack.
CREATE TABLE absences (
    order_id    INTEGER PRIMARY KEY REFERENCES orders (order_id),
    updated_at  TEXT NOT NULL,   -- the order's: what was counted before is of no use
    first_at    REAL NOT NULL,   -- of the monotonic clock, which a new boot sets back
    reads       INTEGER NOT NULL
) STRICT;
