"""What a FHIR server is asked for: single resources that are wanted, and on a round everything that changed (law 1)."""
