"""Tells people what happens, and answers what they ask from afar."""
