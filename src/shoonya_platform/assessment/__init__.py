"""
What needs the operator's attention: one list for every place that shows it.

`shoonyactl check` and `status`, the dashboard, `/metrics` (and so the alert rules)
all render what `assess` returns, so no two of them disagree.
"""
