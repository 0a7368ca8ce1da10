"""Brokers, each behind the same port."""
