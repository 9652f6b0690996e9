"""The one database: tables, unit of work, keyring, seal. Only pipeline (and app, to open it) imports it."""
