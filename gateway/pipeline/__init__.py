"""What happens to a message and to a planned send; the only place that opens a unit of work."""
