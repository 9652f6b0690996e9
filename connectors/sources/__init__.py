"""Sources: each receives one kind of feed and offers raw bytes to the intake; none reads what a message means."""
