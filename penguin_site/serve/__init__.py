"""`manage.py serve`: one machine's Postgres, workers and web, started, watched and stopped together.

supervisor.py   the order of things: start, watch, stop
children.py     one child process; and those that a killed `serve` has left behind
leases.py       runs of a dead worker are free at once
banner.py       what the person at the terminal is told
"""
