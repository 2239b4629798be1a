"""What every runbook does around its stages: read the inventory, choose targets, connect, run, and say how it went.

Connections to the hypervisors begin as soon as it is known which are needed. What only a run needs, Nornir, the console
and the tasks, is loaded meanwhile: that takes as long as connecting does.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing as closed
from typing import TYPE_CHECKING

from phoenix.artifacts.errors import ArtifactError
from phoenix.cli.config import usual_inventory
from phoenix.cli.request import HOST_FAILED, WRONG_INPUT, Chain, Closing, Options, Prepared, Report
from phoenix.connections.access import AccessError, access_path, read_access
from phoenix.connections.links import Links
from phoenix.estate import InventoryError, load_estate
from phoenix.estate.target import TargetError, hypervisors_of, select

if TYPE_CHECKING:
    from phoenix.artifacts.store import Artifact


def execute(
    options: Options,
    chain: Chain,
    closing: Closing | None = None,
    report: Report | None = None,
    *,
    programs: bool = True,
) -> int:
    """Run a chain of stages; gives the exit status. Nothing is touched when the inventory or the options are wrong.

    `programs` says whether the chain may push programs, so that they are obtained before it begins.
    """
    try:
        folder = options.inventory or usual_inventory()
        estate = load_estate(folder)
        targets = select(estate, options.targets)
        access = read_access(access_path(lab=options.lab), tuple(h.name for h in estate.hypervisors))
        with closed(Links(estate, access)) as links:
            links.begin(
                host.name for host in estate.hypervisors if host.name in targets | hypervisors_of(estate, targets)
            )
            from phoenix.cli.conduct import conduct  # noqa: PLC0415 - loads while the connections are made

            artifacts = _obtained(options) if programs else {}
            return conduct(Prepared(options, folder, links, targets, artifacts), chain, closing, report)
    except InventoryError as error:
        title = f"the inventory cannot be used, {len(error.problems)} to correct; nothing was touched:"
        return _refuse(title, error, WRONG_INPUT)
    except TargetError as error:
        return _refuse("the target names nothing of the estate; nothing was touched:", error, WRONG_INPUT)
    except (AccessError, ArtifactError) as error:
        return _refuse("the run cannot begin; nothing was touched:", error, HOST_FAILED)


def _obtained(options: Options) -> Mapping[str, Artifact]:
    from phoenix.artifacts.obtain import cached, obtain_all  # noqa: PLC0415 - 0.03 s for who pushes programs

    return cached() if options.dry_run else obtain_all()


def _refuse(title: str, details: object, status: int) -> int:
    from phoenix.report.console import refuse  # noqa: PLC0415 - loads the console

    refuse(title, details)
    return status
