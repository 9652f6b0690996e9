"""Turns revealed facts into the words a patient reads; what a rule does not reveal cannot be said."""

from gateway.render.check import check
from gateway.render.rendered import Rendered
from gateway.render.templates import Templates

__all__ = ["Rendered", "Templates", "check"]
