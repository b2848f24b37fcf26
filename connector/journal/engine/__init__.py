"""The SQLite engine under the tables: connection, group commit, lock, migrations, sentinel."""
