"""Bulk Data: a server's export is asked for once, waited for, read line by line and forgotten there; only then the mark moves."""
