"""What every runbook does before its stages: read the inventory, select targets, start connections.

Connections to the hypervisors start as soon as it is known which are needed. What only a run needs, Nornir, the
console and the tasks, is loaded meanwhile: that takes as long as connecting does.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing as closed
from typing import TYPE_CHECKING

from phoenix.artifacts.errors import ArtifactError
from phoenix.cli.config import config_file, default_inventory
from phoenix.cli.request import HOST_FAILED, WRONG_INPUT, Chain, Closing, Options, PreparedRun, Report
from phoenix.connections.access import AccessError, access_path, read_access
from phoenix.connections.links import Links
from phoenix.errors import ConfigError
from phoenix.estate import InventoryError, load_estate
from phoenix.estate.target import TargetError, hypervisors_of, select

if TYPE_CHECKING:
    from phoenix.artifacts.store import Artifact


def launch(options: Options, chain: Chain, closing: Closing | None, report: Report | None, *, programs: bool) -> int:
    """Prepare a run and conduct it; return the exit status. With `--exit-code`, status 2 means changes alone."""
    wrong_input = HOST_FAILED if options.exit_code else WRONG_INPUT
    try:
        folder = options.inventory or default_inventory()
        estate = load_estate(folder)
        targets = select(estate, options.targets)
        adopted = select(estate, options.adopt) if options.adopt else frozenset()
        access = read_access(access_path(lab=options.lab), tuple(h.name for h in estate.hypervisors))
        with closed(Links(estate, access)) as links:
            links.begin(
                host.name for host in estate.hypervisors if host.name in targets | hypervisors_of(estate, targets)
            )
            from phoenix.cli.conduct import conduct  # noqa: PLC0415 - loads while the connections are made

            artifacts = _obtained(options) if programs else {}
            return conduct(PreparedRun(options, folder, links, targets, artifacts, adopted), chain, closing, report)
    except InventoryError as error:
        title = f"the inventory cannot be used, {len(error.problems)} to correct; no host was changed:"
        return _refuse(title, error, wrong_input)
    except ConfigError as error:
        return _refuse(
            "the configuration cannot be used; no host was changed:", f"{config_file()}: {error}", wrong_input
        )
    except TargetError as error:
        return _refuse("the target matches no host of the estate; no host was changed:", error, wrong_input)
    except (AccessError, ArtifactError) as error:
        return _refuse("the run cannot begin; no host was changed:", error, HOST_FAILED)


def _obtained(options: Options) -> Mapping[str, Artifact]:
    from phoenix.artifacts.obtain import cached, obtain_all  # noqa: PLC0415 - 0.03 s, for runs that push programs

    return cached() if options.dry_run else obtain_all()


def _refuse(title: str, details: object, status: int) -> int:
    from phoenix.report.console import refuse  # noqa: PLC0415 - loads the console

    refuse(title, details)
    return status
