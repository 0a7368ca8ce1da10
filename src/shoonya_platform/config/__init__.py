"""The configuration: read once, typed, strict, and told where each value came from."""
