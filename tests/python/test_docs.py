"""Everything public says what it does, with an example that is Python."""
import ast
import inspect
import textwrap

import pytest

import memray
import memray.commands

CALLABLES = {name: getattr(memray, name) for name in memray.__all__ if callable(getattr(memray, name))}
METHODS = {
    f"{owner}.{name}": member
    for owner, each in CALLABLES.items()
    if inspect.isclass(each) and not issubclass(each, (tuple, int))
    for name, member in vars(each).items()
    if not name.startswith("_") and (inspect.isroutine(member) or isinstance(member, property))
}


def examples(text):
    """What is indented below each "Example::"."""
    for part in text.split("Example::\n")[1:]:
        lines = []
        for line in part.splitlines():
            if line and not line.startswith("    "):
                break
            lines.append(line)
        yield textwrap.dedent("\n".join(lines)).strip()


@pytest.mark.parametrize("name", [*CALLABLES, *METHODS, "main"])
def test_docstrings(name):
    text = inspect.getdoc({**CALLABLES, **METHODS, "main": memray.commands.main}[name])
    assert text and text[0].isupper() or text.split("(")[0] == name.split(".")[-1]
    found = list(examples(text))
    assert found and all(found)
    for example in found:
        ast.parse(example)


def test_attributes_of_records():
    for record in (memray.AllocationRecord, memray.TemporalAllocationRecord, memray.TrackedObjectRecord):
        for name, member in vars(record).items():
            assert name.startswith("_") or member.__doc__, name
