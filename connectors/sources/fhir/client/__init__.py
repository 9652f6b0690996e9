"""One FHIR server is asked, over verified TLS, within limits, by who we prove to be; no other host ever is (S-33)."""

from connectors.sources.fhir.client.options import ClientOptions
from connectors.sources.fhir.client.server import FhirServer, Reply

__all__ = ["ClientOptions", "FhirServer", "Reply"]
