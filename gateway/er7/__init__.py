"""HL7 v2 on the wire (ER7): what the bytes say, read leniently, written strictly; no I/O, no database."""
