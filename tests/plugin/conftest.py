"""Suites run inside tests here."""

import importlib
import pkgutil

import pytest

import controller
import fakekube


@pytest.fixture(scope="session", autouse=True)
def everything_imported():
    """Import all there is: pytester forgets what is first imported inside a suite, and classes of its second import are others.

    Whoever holds the first ones then waits for exceptions that never come.
    """
    for package in (fakekube, controller):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if module.name.rpartition(".")[2] not in ("__main__", "generate"):
                importlib.import_module(module.name)
