-- How many runs of a service ended without saying so: crashed, or were killed.
ALTER TABLE services ADD COLUMN crashes INTEGER NOT NULL DEFAULT 0;
