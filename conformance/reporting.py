"""The verdicts of a run as JSON and as one HTML page that needs nothing else."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from conformance import page


class Collector:
    """A pytest plugin of the first process: gathers the reports, writes them at the end."""

    def __init__(self, folder: Path, implementation: str) -> None:
        self.folder, self.implementation = folder, implementation
        self.results: list[dict[str, Any]] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        about = getattr(report, "behaviour", None)
        if about is None:
            if report.failed:  # before or after the test proper
                self.results.append(
                    {
                        "id": "",
                        "kind": "",
                        "section": "Around the tests",
                        "statement": report.nodeid,
                        "case": "",
                        "test": report.nodeid,
                        "verdict": "error",
                        "seconds": report.duration,
                        "why": report.longreprtext,
                        "timeline": [],
                        "requests": [],
                    }
                )
            return
        self.results.append(
            about
            | {
                "test": report.nodeid,
                "verdict": _verdict(report),
                "seconds": round(report.duration, 3),
                "why": getattr(report, "wasxfail", "") or _why(report),
                "timeline": getattr(report, "timeline", []),
                "requests": getattr(report, "requests", []),
            }
        )

    def pytest_sessionfinish(self) -> None:
        self.results.sort(key=lambda one: (one["id"], one["test"]))
        whole = {
            "implementation": self.implementation,
            "verdicts": Counter(one["verdict"] for one in self.results),
            "results": self.results,
        }
        (self.folder / "report.json").write_text(json.dumps(whole, indent=1))
        (self.folder / "report.html").write_text(page.html(whole))

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        terminalreporter.write_line(f"report: {self.folder / 'report.html'}")


def _why(report: pytest.TestReport) -> str:
    if report.skipped and isinstance(report.longrepr, tuple):  # file, line, reason
        return report.longrepr[2].removeprefix("Skipped: ")
    return report.longreprtext if report.failed else ""


def _verdict(report: pytest.TestReport) -> str:
    if getattr(report, "wasxfail", None) is not None and report.skipped:
        return "deviates as expected"
    if report.skipped:
        return "skipped"
    return "passed" if report.passed else "failed"
