"""Runs the roles of an assembled gateway and stops them in the order that loses nothing."""

from __future__ import annotations

import asyncio
import gc
import signal
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from typing import Any

from gateway import telemetry, worker
from gateway.app.assembly import Gateway, deliverer_of, dispatcher_of, intake_of, rounds_of, sources_of
from gateway.model.errors import CommandError
from gateway.pipeline.intake import IntakeThread
from gateway.ports import Source

Ready = Callable[[dict[str, Any]], None]


def run(gateway: Gateway, roles: Sequence[str], *, ready: Ready | None, stop: threading.Event | None) -> None:
    """Run `roles` until told to stop, then: take nothing new, answer what is in hand, lease nothing new, seal.

    Raises CommandError when a role cannot start (a busy port); what had started is stopped first.
    """
    broker = worker.broker_for(gateway.settings.broker_url)
    deliverer = deliverer_of(gateway)
    ring = worker.declare(broker, deliverer.deliver, time_limit=gateway.settings.worker.time_limit)
    gateway.doorbell.connect(ring.ring)
    with ExitStack() as stack:
        stack.callback(worker.close, broker)
        if "work" in roles:
            _work(gateway, broker, ring.ring, stack)
        api_port = _api(gateway, stack) if "api" in roles else None
        intake = intake_of(gateway) if "listen" in roles else None
        sources = sources_of(gateway.settings, gateway.clock) if intake else []
        _settle(stack)
        asyncio.run(_until_stopped(intake, sources, ready, stop, api_port))


def _settle(stack: ExitStack) -> None:
    """What lives until the end is not looked at again: a full collection would stop every message for its time."""
    gc.collect()
    gc.freeze()
    stack.callback(gc.unfreeze)


def _work(gateway: Gateway, broker: Any, ring: Callable[[Sequence[int]], None], stack: ExitStack) -> None:
    """Rounds outlive the workers, the workers outlive the dispatcher."""
    rounds = rounds_of(gateway)
    rounds.start()
    stack.callback(rounds.stop)
    running = worker.start(broker, gateway.settings.worker.threads)
    stack.callback(worker.stop, running)
    dispatcher = dispatcher_of(gateway, ring)
    dispatcher.start()
    stack.callback(dispatcher.stop)


def _api(gateway: Gateway, stack: ExitStack) -> int:
    from gateway.api.serving import serve

    server = serve(gateway.store, gateway.settings.api.bind, gateway.settings.api.port)
    stack.callback(server.stop)
    return server.port


async def _until_stopped(
    intake: IntakeThread | None,
    sources: Sequence[Source],
    ready: Ready | None,
    stop: threading.Event | None,
    api_port: int | None,
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
        telemetry.log().info("gateway.ready", count=len(started))
        if ready is not None:
            ready({"ports": ports, "api": api_port})
        await _halt(halted, stop)
        telemetry.log().info("gateway.stopping")
    finally:
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
