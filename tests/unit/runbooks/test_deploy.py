"""The closing lines of a deployment: what was seen to answer, and what was not."""

from __future__ import annotations

from phoenix.run.record import RunRecord, TaskRecord
from phoenix.runbooks.deploy import _closing, proof
from tests.support.inventories import example

DOWN = "llamacpp.lab.test: nothing listens on 10.0.0.157:8081 (refused). Start its program, which is external."


def closing(*records: TaskRecord) -> list[str]:
    """The closing lines of a run whose hypervisor has these records."""
    run = RunRecord()
    for record in records:
        run.add("pve", record)
    return [*_closing(example(), run, lab=False)]


def proven(*answers: str, notes: tuple[str, ...] = (), error: str | None = None) -> TaskRecord:
    """The record of a proof."""
    return TaskRecord("proof", "prove_routes", 1.0, error=error, notes=notes, answers=answers, step=proof())


def test_names_that_answer() -> None:
    """Only names that were seen to answer are listed as such; those that did not are listed apart with the reason."""
    lines = closing(proven("a.lab.test", "b.lab.test", notes=(DOWN,)))
    assert lines[:-1] == [
        "These names do not answer, because their programs are external and down:",
        f"  {DOWN}",
        "These names answer:",
        "  https://a.lab.test/",
        "  https://b.lab.test/",
    ]
    assert lines[-1].startswith("Clients need the root: ")


def test_nothing_answers() -> None:
    """Without an answer nothing is said to answer, and a run that failed or proved nothing has no closing lines."""
    assert closing(proven(notes=(DOWN,)))[1:] == [f"  {DOWN}"]
    assert closing(proven()) == []
    assert closing(proven("a.lab.test", error="1 route does not answer")) == []
    assert closing() == []


def test_answers_are_recorded() -> None:
    """The record of a run has the names that answered."""
    assert proven("a.lab.test").as_json()["answers"] == ["a.lab.test"]
    assert "answers" not in proven().as_json()
