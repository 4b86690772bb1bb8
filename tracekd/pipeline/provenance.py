"""Which functions of the library drew or built an artefact, read off the notebook cells that have run.

``In``, which every notebook kernel keeps, holds the cells' sources. Nothing but the manifest follows from this.
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Callable, Iterable
from typing import Any


def functions(by: Callable | Iterable[Callable] | None, name: str, kind: str) -> str:
    """``module.function`` of each function in ``by``; None: those that drew (took ``ax``) or built artefact ``name``.

    Args:
        by: the functions where the caller names them.
        name: the artefact's name, to find its ``save_table``.
        kind: ``figure`` or ``table``.
    """
    found = [by] if callable(by) else by
    if found is None:
        frame: Any = sys._getframe()
        while frame and not ("In" in frame.f_globals and frame.f_globals.get("__name__") == "__main__"):
            frame = frame.f_back
        found = _from_cells(frame.f_globals, name, kind) if frame else []
    return " ".join(dict.fromkeys(f"{f.__module__}.{f.__qualname__}" for f in found))


def _from_cells(names: dict[str, Any], name: str, kind: str) -> list[Callable]:
    cells = [_parsed(source) for source in names["In"]]
    called = _called(cells[-1], names)
    if kind == "figure":
        return [f for f in called if {"ax", "axes"} & set(inspect.signature(f).parameters)] or called
    assigned = [s for cell in cells for s in ast.walk(cell) if isinstance(s, ast.Assign)]
    for call in ast.walk(cells[-1]):
        if isinstance(call, ast.Call) and ast.unparse(call.func).endswith("save_table") and len(call.args) > 1:
            stems = [part.value for part in ast.walk(call.args[1]) if isinstance(part, ast.Constant)]
            if any(stem and name.startswith(str(stem)) for stem in stems):
                return _built(call.args[0], assigned, names) or called
    return called


def _parsed(source: str) -> ast.Module:
    try:
        return ast.parse(source)
    except SyntaxError:  # a cell that never ran
        return ast.Module([], [])


def _called(tree: ast.AST, names: dict[str, Any]) -> list[Callable]:
    """The library's functions that code calls, in the order of the tree."""
    found = []
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        first, *rest = ast.unparse(call.func).split(".")
        value = names.get(first)
        for part in rest:
            value = getattr(value, part, None)
        value = getattr(value, "__wrapped__", value)  # of a cached function
        if inspect.isfunction(value) and value.__module__.startswith("tracekd") and value.__name__ != "open_run":
            found.append(value)
    return found


def _built(frame: ast.expr, assigned: list[ast.Assign], names: dict[str, Any]) -> list[Callable]:
    """The functions in the expression of a frame, and in the last assignment of what it was made from, and so on."""
    found = _called(frame, names)
    root: ast.expr | None = frame
    while root is not None and not isinstance(root, ast.Name):
        if isinstance(root, ast.Call):
            # Of a method the object, of a function its first argument; ``pd.concat`` is a function of a module.
            method = isinstance(root.func, ast.Attribute) and not inspect.ismodule(
                names.get(ast.unparse(root.func.value))
            )
            root = root.func.value if method else next(iter(root.args), None)
        else:
            root = getattr(root, "value", None)
    if root is None:
        return found
    before = [
        i
        for i, s in enumerate(assigned)
        if root.id in (n.id for t in s.targets for n in ast.walk(t) if isinstance(n, ast.Name))
    ]
    if not before:
        return found
    return found + _built(assigned[before[-1]].value, assigned[: before[-1]], names)
