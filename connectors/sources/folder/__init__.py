"""HL7 v2 or FHIR in files dropped into a folder: a file is moved away only after every message in it is committed (law 1)."""

from connectors.sources.folder.source import FolderSource

__all__ = ["FolderSource"]
