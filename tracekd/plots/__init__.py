"""Figures: functions that take data and an ``ax`` and return it."""
