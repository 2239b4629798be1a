"""Questions as tests ask them."""

from __future__ import annotations

from phoenix.estate import Estate
from phoenix.pve.firewall.model.from_estate import firewall_from_estate
from phoenix.pve.firewall.query.answer import ConnectionAnswer
from phoenix.pve.firewall.query.endpoints import parse_endpoint, parse_traffic
from phoenix.pve.firewall.query.questions import Questions
from tests.support.inventories import example


def why(source: str, dest: str, port: str, of: Estate | None = None) -> tuple[ConnectionAnswer, ...]:
    """The answers for the derived firewall of an estate."""
    chosen = of or example()
    questions = Questions(chosen, firewall_from_estate(chosen))
    return questions.why(parse_endpoint(chosen, source), parse_endpoint(chosen, dest), parse_traffic(port))
