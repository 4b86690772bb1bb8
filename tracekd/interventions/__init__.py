"""Forced traces: variants, the answers after them, and their effects."""
