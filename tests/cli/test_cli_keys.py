"""`caregate keys protect`: a site's keys go under a token, and everything works on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import absent
from tests.store.store_roots import PIN, Token, softhsm


def test_a_site_puts_its_keys_under_a_token(site, tmp_path, monkeypatch):
    """45 CFR 164.312(a)(2)(iv): protect, rotate, verify; without the PIN nothing opens, and a destroyed key ends it all."""
    module = softhsm()
    if module is None:
        absent("softhsm2", "libsofthsm2.so is not installed (apt-get install softhsm2)")
    pytest.importorskip("pkcs11")
    monkeypatch.setenv("SOFTHSM2_CONF", "")
    token = Token(tmp_path / "hsm", module)
    token.makes("lakeside")
    monkeypatch.setenv("TOKEN_PIN", PIN)
    assert site("rules", "status").code == 0
    refused = site("keys", "protect")
    assert (refused.code, "names no pkcs11 and no kms" in refused.err) == (2, True)
    config = Path("caregate.yaml")
    lines = [line for line in config.read_text().splitlines() if not line.startswith("keys:")]
    told = f"keys: {{pkcs11: {{module: '{module}', token: lakeside, key: lakeside, pin: 'env:TOKEN_PIN'}}}}"
    config.write_text("\n".join([*lines, told]) + "\n")
    assert "caregate keys protect" in site("audit", "verify").err
    assert site("keys", "protect").out == "the key file is guarded now\n"
    assert site("keys", "protect").out == "the key file was guarded already\n"
    assert site("keys", "rotate", "--index").code == 0
    assert site("audit", "verify").code == 0
    assert PIN not in Path("caregate.keys").read_text()
    token.destroys("lakeside")
    gone = site("audit", "verify")
    assert gone.code == 2
    assert "what this site sealed cannot be opened without it" in gone.err
