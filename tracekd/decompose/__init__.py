"""The two steps of a problem: gold steps, rules that derive them, their text, and their verification."""
