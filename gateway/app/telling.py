"""Who is told of opt-outs, and which servers and sinks of messages: by the process that has the connector of each."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack

from gateway.app.assembly import Gateway
from gateway.app.sections import made
from gateway.model.errors import ConfigError
from gateway.model.policy import Policy
from gateway.pipeline.optouts import ProviderTarget, ServerTarget
from gateway.pipeline.outcomes import Publishing
from gateway.pipeline.revoking import Revoking
from gateway.pipeline.writeback import WritingBack
from gateway.ports import Sink, Source, SuppressesToo, WritesBack


def tell_providers(gateway: Gateway, stack: ExitStack) -> None:
    """Tell the channels' providers of opt-outs until the stack is closed; the servers are told where they are listened to."""
    targets = [
        ProviderTarget(gateway.store, gateway.site, lambda: _policy(gateway), kind, channel)
        for kind, channel in gateway.channels.items()
        if isinstance(channel, SuppressesToo) and channel.suppresses
    ]
    servers = [name for name, entry in gateway.site.sources.items() if entry.tells_opt_outs]
    revoking = Revoking(gateway.store, targets, elsewhere=servers)
    revoking.start()
    stack.callback(revoking.stop)


def tell_servers(gateway: Gateway, sources: Sequence[Source], stack: ExitStack) -> None:
    """Tell the servers of these sources what their section says, until the stack is closed. Raises ConfigError."""
    servers = {source.name: _writer(gateway, source) for source in sources if _tells(gateway, source.name)}
    store, entries = gateway.store, gateway.site.sources
    targets = [
        ServerTarget(store, entries[name], server, lambda: _policy(gateway))
        for name, server in servers.items()
        if entries[name].tells_opt_outs
    ]
    revoking = Revoking(store, targets, elsewhere=None)
    revoking.start()
    stack.callback(revoking.stop)
    for name, server in servers.items():
        if entries[name].tells_messages:
            writing = WritingBack(store, entries[name], server, lambda: _policy(gateway))
            writing.start()
            stack.callback(writing.stop)


def tell_sinks(gateway: Gateway, stack: ExitStack) -> None:
    """Tell the configured sinks what became of things until the stack is closed. Raises ConfigError."""
    for name, settings in gateway.settings.sinks.items():
        sink: Sink = made(settings.section, gateway.clock)
        stack.callback(sink.close)
        publishing = Publishing(gateway.store, gateway.site, gateway.site.sinks[name], sink, gateway.rules.current)
        publishing.start()
        stack.callback(publishing.stop)


def _tells(gateway: Gateway, name: str) -> bool:
    entry = gateway.site.sources[name]
    return entry.tells_messages or entry.tells_opt_outs


def _writer(gateway: Gateway, source: Source) -> WritesBack:
    if not isinstance(source, WritesBack):
        told = gateway.settings.sources[source.name]
        raise ConfigError(
            f"{told.where}: source {source.name}: nothing can be written back by a source of kind {told.kind}"
        )
    return source


def _policy(gateway: Gateway) -> Policy:
    return gateway.rules.current().ruleset.policy
