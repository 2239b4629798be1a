"""Run a runbook's chain of stages. Runbooks import this module before they parse: the rest is loaded when it is called.

That keeps `--help` fast, and chains import their tasks while the connections to the hypervisors are made.
"""

from __future__ import annotations

from phoenix.cli.request import Chain, Closing, Options, Report


def execute(
    options: Options,
    chain: Chain,
    closing: Closing | None = None,
    report: Report | None = None,
    *,
    programs: bool = True,
) -> int:
    """Run a chain of stages; return the exit status. No host is changed if the inventory or the options are wrong.

    `programs`: the chain may push programs, so they are obtained before it begins.
    """
    from phoenix.cli.launch import launch  # noqa: PLC0415 - paramiko, pydantic, requests: 0.2 s

    return launch(options, chain, closing, report, programs=programs)
