"""Where the keys are guarded: a file alone, a token, a KMS; a PIN never stands in caregate.yaml."""

from __future__ import annotations

from gateway.app.assembly import guard_of
from gateway.settings import load, print_config
from gateway.store.kek import KmsOptions, Pkcs11Options
from tests.settings.test_settings import told

TOKEN = "keys: {file: site.keys, pkcs11: {module: lib/p11.so, token: lakeside, key: root-1, pin: 'env:PIN'}}\norganizations:\n"


def test_a_path_alone_still_means_the_file(site, tmp_path):
    """The old way of writing it stays valid."""
    settings = site(("organizations:\n", "keys: site.keys\norganizations:\n"))
    assert (settings.keys, guard_of(settings)) == (tmp_path / "site.keys", None)


def test_a_token_is_named_with_its_pin_from_outside(site, tmp_path):
    """The PIN is resolved, shown nowhere; what is printed reads back."""
    settings = site(("organizations:\n", TOKEN), environ={"PIN": "4711"})
    assert settings.keys == tmp_path / "site.keys"
    wanted = Pkcs11Options(module=tmp_path / "lib/p11.so", token="lakeside", key="root-1", pin="4711")
    assert guard_of(settings) == wanted
    assert "4711" not in repr(settings) + repr(wanted)
    printed = print_config(settings, {"PIN": "4711"})
    assert "4711" not in printed
    again = tmp_path / "printed.yaml"
    again.write_text(printed)
    assert guard_of(load(again, environ={"PIN": "4711"})) == wanted


def test_a_kms_is_named_by_key_region_and_endpoint(site):
    """Without `endpoint` it is AWS's own."""
    settings = site(("organizations:\n", "keys: {kms: {key: alias/caregate, region: us-east-2}}\norganizations:\n"))
    assert guard_of(settings) == KmsOptions(key="alias/caregate", region="us-east-2")


def test_a_pin_written_out_is_refused_and_not_repeated(site):
    """As every secret."""
    (problem,) = told(site, ("organizations:\n", TOKEN.replace("env:PIN", "4711")))
    assert "is a secret and does not belong in this file" in problem
    assert "4711" not in problem


def test_keys_have_one_guard(site):
    """Token or KMS."""
    both = "keys: {pkcs11: {module: a, token: b, key: c, pin: 'env:PIN'}, kms: {key: a, region: b}}\norganizations:\n"
    (problem,) = told(site, ("organizations:\n", both), environ={"PIN": "1"})
    assert problem.endswith("`keys` must name pkcs11 or kms, not both")


def test_an_unknown_key_below_keys_is_told(site):
    """A misspelt word is never ignored."""
    (problem,) = told(site, ("organizations:\n", "keys: {fil: a}\norganizations:\n"))
    assert "unknown key `fil`; did you mean `file`?" in problem
