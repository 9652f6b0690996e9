"""Subscriptions at a FHIR server: registered when told to, watched, brought back, and what was missed meanwhile searched for."""
