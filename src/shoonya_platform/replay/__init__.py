"""A recorded day, run again through the eight services on the paper broker."""
