"""Where events go that others use; none is built yet, the entry-point group is `gateway.sinks`."""
