"""Random lives of patients played against the real gateway while it fails in every way; the provider's list is the judge."""
