"""tracekd: train students on reasoning traces, then score trace and answer apart."""

__version__ = "0.1.0"
