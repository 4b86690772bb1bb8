"""Texts of a teacher: asking one, reading files of its texts, and finding those of a run."""
