"""Where others are told what became of things; the entry-point group is `gateway.sinks`."""
