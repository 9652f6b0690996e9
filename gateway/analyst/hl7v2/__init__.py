"""The standard's own tables, asked of hl7apy in a process of its own: what a field is called, may hold, and is missing."""
