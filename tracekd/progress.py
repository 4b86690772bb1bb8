"""Progress: one bar for a job, or one for all jobs of several workers, with loss, rate and time left."""

from __future__ import annotations

import time
from collections.abc import Callable

# In a worker process: takes what a bar would show, for the display of the process that started the worker.
send: Callable[[dict], None] | None = None
FORMAT = "{desc}: {percentage:3.0f}%|{bar:10}| {elapsed}<{remaining}{postfix}"


class Bar:
    """How far one job is: a bar of its own, or messages to the one display that all workers share."""

    def __init__(self, label: str, total: int, *, unit: str, done: int = 0, hidden: bool = False):
        """Begin at ``done`` of ``total`` units."""
        self.about = {"label": label, "total": total, "unit": unit}
        self.started, self.bar = time.monotonic(), None
        if send is None:
            from tqdm import tqdm

            self.bar = tqdm(total=total, initial=done, desc=label, unit=unit, mininterval=5, disable=hidden)
        elif not hidden:
            send({**self.about, "done": done, "rate": 0.0, "loss": None})

    def at(self, done: int, tokens: int = 0, loss: float | None = None) -> None:
        """Say that ``done`` units are finished, after ``tokens`` tokens since the bar began, the last at ``loss``."""
        rate = tokens / max(time.monotonic() - self.started, 1e-9)
        if self.bar is None:
            if send:
                send({**self.about, "done": done, "rate": rate, "loss": loss})
            return
        said = ([f"loss {loss:.3f}"] if loss is not None else []) + ([f"{rate:.0f} tokens/s"] if tokens else [])
        self.bar.set_postfix_str(", ".join(said), refresh=False)
        self.bar.update(done - self.bar.n)

    def close(self) -> None:
        """Leave the bar as it stands."""
        if self.bar is not None:
            self.bar.close()

    def __enter__(self) -> Bar:
        """The bar is open from its making on."""
        return self

    def __exit__(self, *_) -> None:
        """Close the bar."""
        self.close()


class Together:
    """One bar for the jobs of all workers, each counted by its size."""

    def __init__(self, what: str, sizes: dict[str, float]):
        """Show ``what`` (such as ``adapters``) and take each job's size, in any unit, by its label."""
        from tqdm import tqdm

        self.what, self.sizes, self.shares, self.running = what, sizes, dict.fromkeys(sizes, 0.0), {}
        self.bar = tqdm(total=sum(sizes.values()), desc=self._head(), bar_format=FORMAT, mininterval=2, smoothing=0)

    def _head(self) -> str:
        return f"{sum(share == 1 for share in self.shares.values())} of {len(self.sizes)} {self.what}"

    def at(self, label: str, message: dict) -> None:
        """Take what a worker says of a job (see ``Bar``); what was there when it began took no time here."""
        share = message["done"] / max(message["total"], 1)
        if label not in self.running:
            self.bar.initial += self.sizes[label] * share
        self.running[label] = message
        self._move(label, min(share, 0.999))

    def finished(self, label: str) -> None:
        """Count a job as done."""
        self.running.pop(label, None)
        self._move(label, 1.0)

    def _move(self, label: str, share: float) -> None:
        self.shares[label] = share
        self.bar.set_description_str(self._head(), refresh=False)
        now = [f"{label} {m['unit']} {m['done']}/{m['total']}" + _loss(m) for label, m in self.running.items()]
        rate = sum(m["rate"] for m in self.running.values())
        self.bar.set_postfix_str("; ".join([*now, *([f"{rate:.0f} tokens/s"] if rate else [])]), refresh=False)
        self.bar.update(sum(self.sizes[name] * part for name, part in self.shares.items()) - self.bar.n)

    def close(self) -> None:
        """Leave the bar as it stands."""
        self.bar.close()


def _loss(message: dict) -> str:
    return "" if message["loss"] is None else f" loss {message['loss']:.3f}"
