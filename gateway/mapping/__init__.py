"""What a source's words mean: bytes in, readings out; no database, network or queue is ever touched here."""
