-- What would cost more with every order of the history, kept up to date instead.

-- How many orders of each day of making (the date in India) have each status.  Cut to
-- whole seconds: SQLite would round a day's last microseconds into the next one.
CREATE TABLE order_counts (
    day     TEXT NOT NULL,
    status  TEXT NOT NULL,
    number  INTEGER NOT NULL,
    PRIMARY KEY (day, status)
) STRICT, WITHOUT ROWID;
INSERT INTO order_counts
    SELECT date(substr(created_at, 1, 19), '+330 minutes'), status, COUNT(*)
    FROM orders GROUP BY 1, 2;
CREATE TRIGGER orders_counted AFTER INSERT ON orders BEGIN
    INSERT INTO order_counts
        VALUES (date(substr(NEW.created_at, 1, 19), '+330 minutes'), NEW.status, 1)
        ON CONFLICT (day, status) DO UPDATE SET number = number + 1;
END;
CREATE TRIGGER orders_counted_anew AFTER UPDATE OF status ON orders
WHEN NEW.status != OLD.status BEGIN
    UPDATE order_counts SET number = number - 1
        WHERE day = date(substr(OLD.created_at, 1, 19), '+330 minutes')
            AND status = OLD.status;
    INSERT INTO order_counts
        VALUES (date(substr(NEW.created_at, 1, 19), '+330 minutes'), NEW.status, 1)
        ON CONFLICT (day, status) DO UPDATE SET number = number + 1;
END;
DROP INDEX orders_by_creation;

-- What the fills of a day (the date in India) have realised, in rupees.  A day before
-- this version is summed to a hundredth of a paisa, as SQLite has no decimals.
CREATE TABLE realised_days (
    day           TEXT PRIMARY KEY,
    realised_pnl  TEXT NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO realised_days
    SELECT date(substr(filled_at, 1, 19), '+330 minutes'),
        printf('%.4f', SUM(CAST(round(realised_pnl * 10000) AS INTEGER)) / 10000.0)
    FROM fills GROUP BY 1;
DROP INDEX fills_by_time;

-- Flat positions and settled losses are most of what there is after some months.
CREATE INDEX positions_open ON positions (strategy, exchange, tradingsymbol, product)
    WHERE quantity != 0;
-- With the status as well, or SQLite would rather take the index of all statuses.
CREATE INDEX orders_not_placed ON orders (status, alerted_at)
    WHERE status = 'not_placed';
