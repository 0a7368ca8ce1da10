-- Whose trade it is: asked by the broker's number of the trade alone.
CREATE INDEX fills_by_trade ON fills (trade_id);
