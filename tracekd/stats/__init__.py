"""Statistics that every layer may use: intervals, the paired bootstrap, the association phi."""
