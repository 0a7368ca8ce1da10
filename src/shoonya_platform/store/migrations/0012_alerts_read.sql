-- An alert as it was read when it came: a later version may read bodies more strictly,
-- and must not find an alert damaged that was taken.  NULL: of an earlier version.
ALTER TABLE alerts ADD COLUMN content TEXT;
