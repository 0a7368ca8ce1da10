"""The Shoonya trading platform: eight services that cannot hurt each other."""

__version__ = "0.1.0"
