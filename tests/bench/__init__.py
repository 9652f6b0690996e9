"""Plays the sending systems and measures: what `make bench` runs; see README.md."""
