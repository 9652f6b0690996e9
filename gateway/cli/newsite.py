"""A site folder as `caregate init` writes it: complete and runnable at once, or not there at all."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from gateway.model.errors import CommandError
from gateway.packs import shipped

CONFIG = """\
# One deployment is one covered entity. Every key, its meaning and its default: `caregate run --print-config`, and the
# README of gateway/settings. A key that is not known is an error. Paths are relative to this file.

# Anything but `production` is a test system: it writes to these recipients only, and that cannot be switched off.
environment: test
allowed_recipients: []            # [you@lakeside.example]; in production this line goes

organizations:
  lakeside:                       # a name of your choice, used below
    name: Lakeside Health
    zone: America/Chicago         # IANA time zone
    sender_name: Lakeside Health
    sender_email: care@lakeside.example
    callback: '+1 312 555 0100'   # every message names a number to call
    postal_address: 1 Lake Street, Chicago, IL 60601

locations:
  main-street:
    name: Main Street Clinic      # as a patient reads it
    organization: lakeside
    codes: [MAIN]                 # as feeds write it (PV1-3.1, AIL-3.1)
    # sensitive: yes              # when its very name tells what is treated there

sources:
  ehr:
    kind: mllp                    # HL7 v2 over MLLP
    organization: lakeside
    bind: 127.0.0.1
    port: 2575
    authority: LAKESIDE           # of identifiers that name no assigning authority (PID-3.4)
    # start: held                 # plan everything, release nothing: the shadow run before go-live
    # quarantine_ack: AA          # for a feed that would block behind an unreadable message
  # lab:
  #   kind: http                  # POST /hl7/lab on port 8080, Content-Type: application/hl7-v2
  #   organization: lakeside
  #   authority: LAKESIDE
  #   bearer: [{token: env:LAB_TOKEN}]   # 16 characters or more; without one, anybody on this machine may post
  # clinic:
  #   kind: fhir                  # a FHIR server posts to /fhir/clinic on port 8080; README of connectors/sources/fhir
  #   organization: lakeside
  #   release: R4
  #   base: https://fhir.lakeside.example/r4
  #   systems: {'urn:lakeside:mrn': LAKESIDE|MR}   # so the same number is the same person in HL7 v2 and in FHIR
  #   keys: [{secret: file:secrets/clinic.key}]    # 16 characters or more, shown as X-Gateway-Key
  # engine:
  #   kind: amqp                  # a queue of RabbitMQ; or kafka, redis-stream: README of connectors, "Plugging into an existing engine"
  #   organization: lakeside
  #   authority: LAKESIDE
  #   url: amqps://rabbit.lakeside.example:5671/integration
  #   user: caregate
  #   password: file:secrets/rabbit
  #   queue: hl7.caregate         # ours alone, bound to the engine's exchange
  # night:
  #   kind: folder                # files of HL7 v2, single messages or batches
  #   organization: lakeside
  #   authority: LAKESIDE
  #   path: drop                  # make this folder; what was read moves to drop/done or drop/failed
  # cdp:
  #   kind: tables                # rows of CSV, NDJSON or Parquet that a platform drops; README of mappings/tables
  #   organization: lakeside
  #   authority: LAKESIDE         # whose numbers the rows call people by; a feed above must have told of them
  #   mapping: audience-members   # what a row means: a file of mappings/tables, shipped or yours
  #   path: audiences             # make this folder
  #   files: csv
  #   mode: snapshot              # each file is the whole table, and who is missing has left; or `changes`

channels:
  email:
    kind: email
    host: 127.0.0.1               # your mail relay
    port: 25                      # default 587
    tls: off                      # only for a relay on this machine; elsewhere remove the line: verified TLS is required
    # relay_enforces_tls: yes     # say so when the relay passes nothing on without verified TLS (smtp_tls_security_level =
    #                             # verify); until then e-mail goes only to who chose it unencrypted
    agreement:                    # of somebody else's relay: {party: Relay Inc, signed: 2026-01-05, expires: 2028-01-05}
      none_needed: a relay of our own on this machine
    # username: caregate
    # password: env:SMTP_PASSWORD # or file:PATH; never the password itself
  # sms:
  #   kind: sms                   # a Twilio-compatible provider
  #   account: AC0123456789abcdef0123456789abcdef
  #   auth_token: file:secrets/sms.token
  #   sender: '+13125550100'      # or MG…, a messaging service
  #   public_url: https://messages.lakeside.example   # where the provider tells what became of a text, and what people answer
  #   agreement: {party: Texts Inc, signed: 2026-01-05, expires: 2028-01-05}
  # portal: {kind: portal}        # what may not travel in the open is picked up on pages of our own; until it is here
  #                               # the rules about results send nothing

# sinks:                          # who is told what became of their rows: sent, withheld and why, bounced, opted out, …
#   back: {kind: parquet, path: results, sources: [cdp], agreement: {none_needed: a disk of our own}}

# api:                            # links in messages lead there; needed by the portal
#   public_url: https://messages.lakeside.example

# alerts:                         # who is told when a feed falls silent or something else needs a person
#   to:
#     desk: {kind: email, channel: email, to: [you@lakeside.example], sender: caregate@lakeside.example}

# database: env:DATABASE_URL      # default: SQLite beside this file, one process with every role
# broker: memory://               # or redis://…, amqp://… when roles run apart
# audit: {heads: /mnt/elsewhere/heads}   # signed heads of the audit log, on another host's disk
"""

_MAPPINGS = """\
# Overlays of this site

The shipped mappings are read from the package. A file here with the same path (say `hl7v2/appointments.yaml` or
`codes/service.yaml`) is read after the shipped one and says only what is different here. `caregate lint` checks it,
`caregate test` runs the `.test.yaml` beside it.

An overlay that adds a code (`codes/service.yaml`):

    table: service
    words:
      dialysis: {meaning: kidney replacement, sensitivity: sensitive}
    codes:
      DIAL: dialysis

`caregate run` reads these files when it starts: restart it after a change, then `caregate plan --open` reads what is known again.
"""

SCHEMAS = ".schemas"
# Completion and hover in VS Code with its YAML extension (redhat.vscode-yaml); `caregate rules schema` writes them anew.
_EDITOR = """\
{
  "yaml.schemas": {
    "./.schemas/rules.schema.json": "rules/*.yaml",
    "./.schemas/mappings.schema.json": "mappings/**/*.yaml"
  }
}
"""

_IGNORE = "caregate.keys\n*.db\n*.db-shm\n*.db-wal\npreview/\n"


def write(folder: Path, create_keys: Callable[[Path], object], *, edited: bool = True) -> None:
    """Make a site in `folder`, which must be absent or empty (CommandError). `create_keys` writes the key file, 0600.

    `edited`: somebody will, so that editors are told what may be written; a site for the occasion does without.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise CommandError(f"{folder} is not empty: a site is made in a folder of its own, nothing is overwritten")
    folder.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))  # mode 0700
    try:
        _fill(made, create_keys)
        if edited:
            _help_editors(made)
        made.rename(folder)  # whole or not at all
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise


def hear_fhir(folder: Path) -> None:
    """Have a site that was just made hear FHIR R4 in files instead of HL7 v2."""
    config = folder / "caregate.yaml"
    head, _, rest = config.read_text(encoding="utf-8").partition("sources:\n")
    told = "  fhir: {kind: fhir, organization: lakeside, release: R4}\n\nchannels:\n"
    config.write_text(f"{head}sources:\n{told}{rest.partition('channels:' + chr(10))[2]}", encoding="utf-8")


def _fill(folder: Path, create_keys: Callable[[Path], object]) -> None:
    (folder / "caregate.yaml").write_text(CONFIG, encoding="utf-8")
    (folder / ".gitignore").write_text(_IGNORE, encoding="utf-8")
    shutil.copytree(shipped("rules"), folder / "rules", ignore=shutil.ignore_patterns("__pycache__", ".*", "PHI.md"))
    for path in (folder / "rules").rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)  # an installed package may be read-only; these are to be edited
    (folder / "mappings").mkdir()
    (folder / "mappings" / "README.md").write_text(_MAPPINGS, encoding="utf-8")
    create_keys(folder / "caregate.keys")


def _help_editors(folder: Path) -> None:
    from gateway.analyst.schemas import files

    (folder / SCHEMAS).mkdir()
    for name, text in files().items():
        (folder / SCHEMAS / name).write_text(text, encoding="utf-8")
    (folder / ".vscode").mkdir()
    (folder / ".vscode" / "settings.json").write_text(_EDITOR, encoding="utf-8")
