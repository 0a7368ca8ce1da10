-- Whose book this is: `paper`, or the broker and the user's id there.  One row, once
-- services have opened the store.
CREATE TABLE account (
    id    INTEGER PRIMARY KEY CHECK (id = 1),
    name  TEXT NOT NULL
) STRICT;
