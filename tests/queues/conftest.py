"""Real brokers, empty queues in them, and wires that can be cut."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent.parent / "mllp"))  # its authority
sys.path.append(str(Path(__file__).parent.parent / "clinic"))  # its people and messages

from mllp_certificates import Authority
from rabbit_parts import OwnRabbit, Queues, Wire

from tests.conftest import absent


@pytest.fixture
def rabbit(amqp_url: str) -> Iterator[Queues]:
    """Queues in the RabbitMQ that all tests share."""
    queues = Queues(amqp_url)
    yield queues
    queues.close()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Signs for brokers and for us."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def own_rabbit(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[OwnRabbit]:
    """A RabbitMQ that may be restarted, and knows `gateway` by its certificate."""
    folder = tmp_path_factory.mktemp("rabbit")
    made = OwnRabbit(folder, authority.issue("localhost"), authority.path, ["gateway"])
    try:
        made.start()
        yield made
    except FileNotFoundError as error:
        absent("RabbitMQ", error)
    finally:
        made.close()


@pytest.fixture
def wires() -> Iterator[Callable[[int], Wire]]:
    """`wires(port)`: a wire to a server of this machine."""
    made: list[Wire] = []

    def wire(port: int) -> Wire:
        made.append(Wire(port))
        return made[-1]

    yield wire
    for one in made:
        one.close()
