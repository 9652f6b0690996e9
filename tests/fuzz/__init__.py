"""Hostile and careless input, by the million: what must hold of any bytes, and who looks for bytes of which it does not."""
