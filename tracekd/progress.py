"""Progress: one bar for a job, or one for all jobs of several workers, with loss, rate and time left."""

import time
from collections.abc import Callable
from functools import partial

from tqdm import tqdm

# In a worker process: takes what a bar would show, for the display of the process that started the worker.
send: Callable[[dict], None] | None = None
FORMAT = "{desc}: {percentage:3.0f}%|{bar:10}| {elapsed}<{remaining}{postfix}"


class Bar:
    """How far one job is: shown here, or sent to the display that all workers share."""

    def __init__(self, label: str, total: int, *, unit: str, done: int = 0):
        """Begin at ``done`` of ``total`` units."""
        self.label, self.about, self.started = label, {"total": total, "unit": unit}, time.monotonic()
        self.display = None if send else Together("", {label: total})
        self.at(done)

    def at(self, done: int, tokens: int = 0, loss: float | None = None) -> None:
        """Report ``done`` finished units, after ``tokens`` tokens since the bar began, the last at ``loss``."""
        rate = tokens / max(time.monotonic() - self.started, 1e-9)
        show = partial(self.display.at, self.label) if self.display else send
        show({**self.about, "done": done, "rate": rate, "loss": loss})

    def close(self) -> None:
        """Leave the bar as it is."""
        if self.display:
            self.display.close()


class Together:
    """One bar for the jobs of all workers, each counted by its size."""

    def __init__(self, what: str, sizes: dict[str, float]):
        """Show ``what`` (such as ``adapters``; "" for one job) and take each job's size, in any unit, by its label."""
        self.what, self.sizes, self.shares, self.running = what, sizes, dict.fromkeys(sizes, 0.0), {}
        self.bar = tqdm(total=sum(sizes.values()), desc=what, bar_format=FORMAT, mininterval=2, miniters=0, smoothing=0)
        self.close = self.bar.close

    def at(self, label: str, message: dict | None) -> None:
        """Take a worker's message (see ``Bar``), or None at the end of its job."""
        if message is None:
            self.running.pop(label, None)
            self.shares[label] = 1.0
        else:
            share = message["done"] / max(message["total"], 1)
            if label not in self.running:  # what was done when the job began took no time here
                self.bar.initial += self.sizes[label] * share
            self.running[label], self.shares[label] = message, min(share, 0.999) if self.what else share
        now = []
        for name, said in self.running.items():
            loss = "" if said["loss"] is None else f"loss {said['loss']:.3f}"
            now.append(f"{name if self.what else ''} {said['unit']} {said['done']}/{said['total']} {loss}".strip())
        if rate := sum(said["rate"] for said in self.running.values()):
            now.append(f"{rate:.0f} tokens/s")
        done = sum(share == 1 for share in self.shares.values())
        self.bar.set_description_str(f"{done} of {len(self.sizes)} {self.what}" if self.what else label, refresh=False)
        self.bar.set_postfix_str("; ".join(now), refresh=False)
        self.bar.update(sum(self.sizes[name] * share for name, share in self.shares.items()) - self.bar.n)
