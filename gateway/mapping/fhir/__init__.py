"""What a FHIR resource means: strict JSON, structure, and paths into it, as typed facts about one patient."""
