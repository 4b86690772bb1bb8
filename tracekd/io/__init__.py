"""Files: atomic writes, records as JSON lines, locks, checksums, and the forms in which outputs come."""
