"""Fakes and helpers for tests of the platform and of what is built on it."""
