-- What quantity times price is multiplied by to be rupees: 100 for GOLD.  What is open
-- already gets its own from order_watcher, at its next look at the instruments.
ALTER TABLE orders ADD COLUMN price_factor TEXT NOT NULL DEFAULT '1';
ALTER TABLE positions ADD COLUMN price_factor TEXT NOT NULL DEFAULT '1';
