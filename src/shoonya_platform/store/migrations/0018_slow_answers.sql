-- Seconds that the slowest of the broker's late answers took which a service had in the
-- minute before its heartbeat; 0 if none was late.
ALTER TABLE services ADD COLUMN slow_answer_seconds REAL NOT NULL DEFAULT 0;
