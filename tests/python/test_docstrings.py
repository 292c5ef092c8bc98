"""The examples in docstrings do what they say."""

import doctest
import importlib
import pkgutil

import pytest

import spikeglm

MODULES = sorted(
    info.name
    for info in pkgutil.walk_packages(spikeglm.__path__, "spikeglm.")
    if not info.name.endswith(("__main__", "_core"))
)


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    result = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert result.failed == 0


def test_there_are_examples():
    finder = doctest.DocTestFinder()
    found = [
        test
        for name in MODULES
        for test in finder.find(importlib.import_module(name))
        if test.examples
    ]
    assert len(found) >= 5
