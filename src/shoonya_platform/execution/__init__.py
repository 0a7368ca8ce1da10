"""What each service does with the rows that are its to move."""
