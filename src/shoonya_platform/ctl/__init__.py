"""shoonyactl: installs, shows and explains the eight services."""
