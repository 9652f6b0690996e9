"""`python -m gateway.cli` is `caregate`."""

from gateway.cli import main

main()
