"""YAML as people write it: every scalar stays text, nothing is dropped, and every problem names file, line and column."""

from gateway.yamlfile.check import like, members, salvaged, validate, validate_node, validate_text
from gateway.yamlfile.nodes import MAX_BYTES, MAX_DEPTH, MAX_NODES, Node, load, load_bytes, load_text

__all__ = [
    "MAX_BYTES",
    "MAX_DEPTH",
    "MAX_NODES",
    "Node",
    "like",
    "load",
    "load_bytes",
    "load_text",
    "members",
    "salvaged",
    "validate",
    "validate_node",
    "validate_text",
]
