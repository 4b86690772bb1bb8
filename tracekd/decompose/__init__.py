"""The two steps of a problem: rules that derive them, and how far these agree with the gold steps."""
