-- Alerts that the webhook refused: the newest few hundred, and how many there were.
CREATE TABLE refused_alerts (
    refusal_id INTEGER PRIMARY KEY AUTOINCREMENT,
    refused_at TEXT NOT NULL,   -- the last time, if they were several
    code TEXT NOT NULL,
    reason TEXT NOT NULL,
    hint TEXT NOT NULL,         -- empty for none
    http_status INTEGER NOT NULL,
    client TEXT NOT NULL,       -- the sender's address, or the proxy's
    body TEXT,                  -- without secrets, cut; NULL: without the right secret
    times INTEGER NOT NULL
) STRICT;
CREATE TABLE refusal_counts (
    code TEXT PRIMARY KEY,
    times INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
