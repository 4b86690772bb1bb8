"""The human study: ratings, tests, power, the survey page and the import of its answers."""
