-- A service that ended in order; NULL while it runs, and after a crash.
ALTER TABLE services ADD COLUMN ended_at TEXT;

-- The starts of the whole platform: after everything had ended or fallen silent.
CREATE TABLE starts (
    start_id    INTEGER PRIMARY KEY AUTOINCREMENT,
    begun_by    TEXT NOT NULL,
    started_at  TEXT NOT NULL
) STRICT;

-- The newest reconciliation of each start that succeeded, and that failed.
CREATE TABLE reconciliations (
    start_id     INTEGER NOT NULL REFERENCES starts (start_id),
    succeeded    INTEGER NOT NULL,
    run_id       TEXT NOT NULL,
    finished_at  TEXT NOT NULL,
    summary      TEXT NOT NULL,   -- one sentence
    report       TEXT NOT NULL,   -- JSON
    PRIMARY KEY (start_id, succeeded)
) STRICT, WITHOUT ROWID;
