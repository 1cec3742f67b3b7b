"""Every comparison is listed after the tests: what with, of which version, and how near."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.parity import reference


@pytest.fixture(autouse=True)
def _tell_references(request: pytest.FixtureRequest) -> Iterator[None]:
    """What a test notes of its references travels in its report, from xdist's processes too."""
    reference.told = request.node.user_properties
    yield
    reference.told = []


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    rows = []
    for report in terminalreporter.getreports("passed") + terminalreporter.getreports("failed"):
        known = [text for kind, text in report.user_properties if kind == "reference"]
        compared = [text for kind, text in report.user_properties if kind == "compared"]
        if known or compared:
            name = report.nodeid.rpartition("/")[2]
            versions = ", ".join(dict.fromkeys(known)) or "a second computation"
            rows.append(f"{name}  [{versions}]  {'; '.join(compared)}".rstrip())
    if rows:
        terminalreporter.section("references")
        for row in sorted(rows):
            terminalreporter.line(row)
