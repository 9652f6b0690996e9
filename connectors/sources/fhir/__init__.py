"""FHIR: what a server tells by subscription is answered 2xx only once it is committed, and what it failed to tell is asked for."""

from connectors.sources.fhir.source import FhirSource

__all__ = ["FhirSource"]
