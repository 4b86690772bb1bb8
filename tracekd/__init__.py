"""tracekd: train students on reasoning traces, then score trace and answer apart."""

__version__ = "0.1.0"

import logging

# It advises on import to install an optional kernel for a path that is not taken here: noise on top of each notebook.
logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)
