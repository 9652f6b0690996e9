"""What connects Caregate to the outside: sources, channels and sinks; none knows another, all know only the ports."""
