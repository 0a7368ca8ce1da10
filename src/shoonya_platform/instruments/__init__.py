"""
What can be traded, as the broker publishes it.

`masters` reads the daily lists, `file` keeps them in one SQLite file that all services
read by key, `refresh` loads them once a day, and `lookup` answers the order path.
"""
