"""Verdicts: id-aligned and as published, grader examples, the authors' outputs, the explorer page."""
