"""What the account can bear."""
