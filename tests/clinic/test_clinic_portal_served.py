"""The pages as `caregate run` serves them: mounted where `api.public_url` is told, beside health and metrics."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import httpx
import pytest
from clinic_dsl import OpenClinic
from clinic_portal import open_portal

HERE = "api: {port: 0, public_url: 'http://localhost:8080'}\nchannels: {portal: {kind: portal}}\n"


@pytest.mark.parametrize(("more", "status"), [(HERE, 200), ("api: {port: 0}\n", 404)])
def test_a_running_gateway_serves_the_pages_where_they_can_be_reached(
    open_clinic: OpenClinic, tmp_path: Path, more: str, status: int
) -> None:
    """EM-10, EM-22: and the session's cookie, on this machine without TLS, is none a browser would not keep."""
    clinic = open_portal(open_clinic, tmp_path, channels="[email]", more=more)
    opened: dict[str, Any] = {}
    up, stop = threading.Event(), threading.Event()

    def ready(told: dict[str, Any]) -> None:
        opened.update(told)
        up.set()

    thread = threading.Thread(target=clinic.gateway.run, args=(["api"],), kwargs={"ready": ready, "stop": stop})
    thread.start()
    try:
        assert up.wait(20)
        with httpx.Client(base_url=f"http://127.0.0.1:{opened['api']}") as client:
            for path in ("/p/" + "A" * 43, "/u/" + "A" * 43, "/portal", "/portal/style.css"):
                assert client.get(path).status_code == status
            assert client.get("/health/live").status_code == 200
            if status == 200:
                went = client.post("/p/" + "A" * 43, data={"lang": "es"})
                assert went.headers["location"] == "/portal/birth?lang=es"
                assert went.headers["set-cookie"].startswith("caregate=")
                assert "Secure" not in went.headers["set-cookie"]
    finally:
        stop.set()
        thread.join(30)
