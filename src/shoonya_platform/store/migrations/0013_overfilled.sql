-- What was filled beyond an order's quantity: the broker's mistake, and real money.
ALTER TABLE orders ADD COLUMN overfilled_quantity INTEGER NOT NULL DEFAULT 0
    CHECK (overfilled_quantity >= 0);
