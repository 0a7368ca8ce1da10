"""The order store: the rows that walk through the eight services."""
