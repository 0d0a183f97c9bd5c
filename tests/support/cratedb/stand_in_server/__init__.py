"""A stand-in of CrateDB for MLflow itself: its HTTP interface over SQLite. CrateDB's server is in no package registry.

It takes CrateDB's command line, users, privileges, snapshots and system tables as far as the collection and
C(mlflow-cratedb) use them, and refuses what it does not know. It is one process: of several nodes, of shards, and of
what CrateDB says while it starts, it shows nothing. The standard library is all that it needs.
"""
