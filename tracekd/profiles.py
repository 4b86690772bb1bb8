"""The names of ``config`` and ``run`` under their old address, until every importer uses the new one."""

from __future__ import annotations

from tracekd.config import (  # noqa: F401
    HABITS,
    LEAVE_OUT,
    ROOT,
    Profile,
    Recipe,
    _entries,
    load,
    names,
    nearest,
    set_leave_out,
    with_test_share,
)


def __getattr__(name: str):
    # ``run`` imports the data loader, which imports this module: it cannot be imported above.
    if name in ("Run", "open_run"):
        from tracekd import run

        return getattr(run, name)
    raise AttributeError(name)
