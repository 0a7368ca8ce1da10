"""What trading is, without any input or output."""
