"""Folders into which others drop files: which are whole, who may read them, and where they go when they are through."""
