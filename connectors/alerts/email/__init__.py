"""Alerts by e-mail to staff, through a relay; entry point `gateway.alerts: email`."""

from connectors.alerts.email.sink import EmailAlerts

__all__ = ["EmailAlerts"]
