"""Files: atomic writes, records as JSON lines, locks, a full disk."""
