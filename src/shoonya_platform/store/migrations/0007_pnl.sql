-- The day's profit and loss, a row a minute in which it has changed.
CREATE TABLE pnl (
    at          TEXT PRIMARY KEY,   -- the minute's begin
    realised    TEXT NOT NULL,
    unrealised  TEXT NOT NULL
) STRICT, WITHOUT ROWID;
