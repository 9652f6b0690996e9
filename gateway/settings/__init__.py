"""The one configuration file, caregate.yaml: read once, checked whole, frozen; what it does not know is an error."""

from gateway.settings.load import Examined, examine, load, loads
from gateway.settings.settings import ChannelSettings, Section, Settings, SinkSettings, SourceSettings
from gateway.settings.show import print_config

__all__ = [
    "ChannelSettings",
    "Examined",
    "Section",
    "Settings",
    "SinkSettings",
    "SourceSettings",
    "examine",
    "load",
    "loads",
    "print_config",
]
