"""One order's or alert's way through the eight, from the store and both logs."""
