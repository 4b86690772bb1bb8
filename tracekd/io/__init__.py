"""Files: atomic writes, records as JSON lines, hashes, a full disk, locks."""
