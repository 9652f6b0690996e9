"""Runs the roles of an assembled gateway and stops them in the order that loses nothing."""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from typing import Any

from gateway import telemetry, worker
from gateway.app.assembly import (
    Gateway,
    deliverer_of,
    dispatcher_of,
    intake_of,
    rounds_of,
    settler_of,
    sources_of,
)
from gateway.app.doors import behind_of, certificates_of, portal_routes_of, routes_of
from gateway.app.extracts import extract
from gateway.app.servers import remember
from gateway.app.telling import tell_providers, tell_servers, tell_sinks
from gateway.app.watching import Reach, parts_of, watch_of
from gateway.model.errors import CommandError
from gateway.pipeline import restoring
from gateway.pipeline.campaigns.ringing import Ringing
from gateway.pipeline.doubts import Doubts
from gateway.pipeline.intake import IntakeThread
from gateway.ports import Channel, Hears, Route, Source

Ready = Callable[[dict[str, Any]], None]


def run(gateway: Gateway, roles: Sequence[str], *, ready: Ready | None, stop: threading.Event | None) -> None:
    """Run `roles` until told to stop, then: take nothing new, answer what is in hand, lease nothing new, seal.

    Raises CommandError when a role cannot start (a busy port); what had started is stopped first.
    """
    restoring.refuse_if_older(gateway.store, gateway.settings.audit_heads)
    broker = worker.broker_for(gateway.settings.broker_url)
    deliverer = deliverer_of(gateway)
    ring = worker.declare(broker, deliverer.deliver, time_limit=gateway.settings.worker.time_limit)
    gateway.doorbell.connect(ring.ring)
    with ExitStack() as stack:
        stack.callback(worker.close, broker)
        if "work" in roles:
            _work(gateway, broker, ring.ring, stack)
        intake = intake_of(gateway) if "listen" in roles else None
        if intake is not None:
            _prepare(gateway)
        sources = sources_of(gateway.settings, gateway.clock) if intake else []
        remember(gateway, sources)
        extract(gateway, sources)
        tell_servers(gateway, sources, stack)
        reach, listening = Reach(broker), threading.Event()
        _watch(gateway, roles, reach, sources, stack)
        channels = _channels_of(gateway, roles)
        routes = routes_of(gateway.settings, [*sources, *channels])
        if "api" in roles:
            routes += portal_routes_of(gateway)
        parts = parts_of(roles, reach, intake, listening)
        # feeds over HTTP need a server too where they are listened to and nothing else is served
        own = behind_of(gateway, stack) if "api" in roles else []
        api_port = _api(gateway, routes, own, parts, stack) if "api" in roles or routes else None
        _settle(stack)
        asyncio.run(_until_stopped(intake, sources, ready, stop, api_port, listening))


def _channels_of(gateway: Gateway, roles: Sequence[str]) -> list[Channel]:
    """The channels, told where to tell what comes back, where something of theirs can be served."""
    if "api" not in roles:
        return []
    inbox = settler_of(gateway)
    for channel in gateway.channels.values():
        if isinstance(channel, Hears):
            channel.hear(inbox)
    return list(gateway.channels.values())


def _prepare(gateway: Gateway) -> None:
    """What reads messages is made before the first one comes."""
    for reader in gateway.readers.values():
        compiles = getattr(reader, "compile", None)
        if compiles is not None:
            compiles()


_TURN_SECONDS = 0.0005


def _settle(stack: ExitStack) -> None:
    """What lives until the end is not looked at again: a full collection would stop every message for its time.

    And whoever waits for the interpreter waits half a millisecond at most, not five: the thread that commits gives
    it up at every step of the database, some hundred times a batch.
    """
    gc.collect()
    gc.freeze()
    stack.callback(gc.unfreeze)
    stack.callback(sys.setswitchinterval, sys.getswitchinterval())
    sys.setswitchinterval(_TURN_SECONDS)


def _work(gateway: Gateway, broker: Any, ring: Callable[[Sequence[int]], None], stack: ExitStack) -> None:
    """Rounds outlive the workers, the workers outlive the dispatcher."""
    rounds = rounds_of(gateway)
    rounds.start()
    stack.callback(rounds.stop)
    doubts = Doubts(gateway.store, gateway.channels, lambda: gateway.rules.current().ruleset.policy, ring)
    doubts.start()
    stack.callback(doubts.stop)
    tell_providers(gateway, stack)
    tell_sinks(gateway, stack)
    ringing = Ringing(gateway.store)
    ringing.start()
    stack.callback(ringing.stop)
    running = worker.start(broker, gateway.settings.worker.threads)
    stack.callback(worker.stop, running)
    dispatcher = dispatcher_of(gateway, ring)
    dispatcher.start()
    stack.callback(dispatcher.stop)


def _watch(
    gateway: Gateway, roles: Sequence[str], reach: Callable[[], bool], sources: Sequence[Source], stack: ExitStack
) -> None:
    watch = watch_of(gateway, roles, reach, sources)
    watch.start()
    stack.callback(watch.stop)


def _api(
    gateway: Gateway,
    routes: Sequence[Route],
    own: Sequence[Any],
    parts: Mapping[str, Callable[[], bool]],
    stack: ExitStack,
) -> int:
    from gateway.api.serving import serve

    api, tls = gateway.settings.api, certificates_of(gateway.settings)
    server = serve(gateway.store, api.bind, api.port, routes=routes, own=own, tls=tls, parts=parts)
    stack.callback(server.stop)
    return server.port


async def _until_stopped(
    intake: IntakeThread | None,
    sources: Sequence[Source],
    ready: Ready | None,
    stop: threading.Event | None,
    api_port: int | None,
    listening: threading.Event,
) -> None:
    halted = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        with suppress(ValueError, NotImplementedError, RuntimeError):  # only the main thread may
            loop.add_signal_handler(name, halted.set)
    started: list[Source] = []
    if intake is not None:
        intake.start()
    try:
        for source in sources:
            assert intake is not None
            await source.start(intake)
            started.append(source)
        ports = {source.name: getattr(source, "port", None) for source in started}
        listening.set()
        telemetry.log().info("gateway.ready", count=len(started))
        if ready is not None:
            ready({"ports": ports, "api": api_port})
        await _halt(halted, stop)
        telemetry.log().info("gateway.stopping")
    finally:
        listening.clear()  # whoever balances the load sends no more
        await _stop_sources(started)
        if intake is not None:
            await loop.run_in_executor(None, intake.close)


async def _stop_sources(started: Sequence[Source]) -> None:
    for source in started:
        try:
            await source.stop()
        except (OSError, CommandError) as error:
            telemetry.log().error("source.stop-failed", source=source.name, error=type(error).__name__)


async def _halt(halted: asyncio.Event, stop: threading.Event | None) -> None:
    """Until a signal or, when one is given, `stop`."""
    if stop is None:
        await halted.wait()
        return
    while not stop.is_set() and not halted.is_set():
        with suppress(TimeoutError):
            await asyncio.wait_for(halted.wait(), 0.05)
