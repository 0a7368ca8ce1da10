-- The exchange's price bands of the day, as the broker quoted them last.
CREATE TABLE bands (
    exchange       TEXT NOT NULL,
    tradingsymbol  TEXT NOT NULL,
    lower          TEXT,            -- NULL: no limit
    upper          TEXT,
    updated_at     TEXT NOT NULL,
    PRIMARY KEY (exchange, tradingsymbol)
) STRICT, WITHOUT ROWID;
