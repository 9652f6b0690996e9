"""A real mail transfer agent on loopback: postfix, with queue, configuration and log of its own."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from email_parts import free_port

_MASTER = """\
{smtp}    inet  n - n - - smtpd
pickup    unix  n - n 60 1 pickup
cleanup   unix  n - n - 0 cleanup
qmgr      unix  n - n 300 1 qmgr
tlsmgr    unix  - - n 1000? 1 tlsmgr
rewrite   unix  - - n - - trivial-rewrite
bounce    unix  - - n - 0 bounce
defer     unix  - - n - 0 bounce
trace     unix  - - n - 0 bounce
verify    unix  - - n - 1 verify
flush     unix  n - n 1000? 0 flush
proxymap  unix  - - n - - proxymap
smtp      unix  - - n - - smtp
relay     unix  - - n - - smtp
error     unix  - - n - - error
retry     unix  - - n - - error
discard   unix  - - n - - discard
anvil     unix  - - n - 1 anvil
scache    unix  - - n - 1 scache
postlog   unix-dgram n - n - 1 postlogd
"""


@dataclass(frozen=True)
class Postfix:
    """Where it listens and what it wrote."""

    port: int
    folder: Path

    def log(self) -> str:
        """Its log."""
        path = self.folder / "maillog"
        return path.read_text(errors="replace") if path.exists() else ""

    def until(self, words: str) -> None:
        """Wait until it says so, twenty seconds at most."""
        end = time.monotonic() + 20
        while words not in self.log():
            assert time.monotonic() < end, self.log()[-2000:]
            time.sleep(0.05)


def program() -> str:
    """The command `postfix`; skips, saying so, where it cannot be had."""
    found = shutil.which("postfix") or "/usr/sbin/postfix"
    if not Path(found).exists():
        pytest.skip("postfix is not available: apt install postfix")
    if os.geteuid() != 0:
        pytest.skip("postfix starts as root only")
    return found


@contextmanager
def postfix(routes: Mapping[str, int], **settings: str) -> Iterator[Postfix]:
    """Relays for loopback; each domain of `routes` goes to a port of 127.0.0.1 (its name there "localhost").

    Its folder is not pytest's: its daemons drop root's rights, and every other run of pytest closes those to others.
    """
    command, port = program(), free_port()
    folder = Path(tempfile.mkdtemp(prefix="caregate-postfix."))
    folder.chmod(0o755)
    owner = pwd.getpwnam("postfix")
    queue, data, config = (folder / name for name in ("queue", "data", "config"))
    for path in (queue, data, config):
        path.mkdir(mode=0o755)
    os.chown(data, owner.pw_uid, owner.pw_gid)
    (config / "transport").write_text("".join(f"{name} smtp:[localhost]:{to}\n" for name, to in routes.items()))
    told = {
        "compatibility_level": "3.6",
        "queue_directory": str(queue),
        "data_directory": str(data),
        "maillog_file": str(folder / "maillog"),
        "maillog_file_prefixes": str(folder),
        "inet_interfaces": "127.0.0.1",
        "inet_protocols": "ipv4",
        "smtp_host_lookup": "native",
        "myhostname": "relay.lakeside.example",
        "mydestination": "",
        "local_transport": "error:none is local",
        "mynetworks": "127.0.0.0/8",
        "transport_maps": f"texthash:{config / 'transport'}",
        "alias_maps": "",
        "smtpd_relay_restrictions": "permit_mynetworks, reject",
        "notify_classes": "",
        **settings,
    }
    (config / "main.cf").write_text("".join(f"{key} = {value}\n" for key, value in told.items()))
    (config / "master.cf").write_text(_MASTER.format(smtp=f"127.0.0.1:{port}"))
    made = Postfix(port, folder)
    started = subprocess.run(
        [command, "-c", str(config), "start"], capture_output=True, text=True, check=False, timeout=60
    )
    try:
        assert started.returncode == 0, f"{started.stdout}{started.stderr}{made.log()}"
        yield made
    finally:
        subprocess.run([command, "-c", str(config), "stop"], capture_output=True, check=False, timeout=60)
        shutil.rmtree(folder, ignore_errors=True)
