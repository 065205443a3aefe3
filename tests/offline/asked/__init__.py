"""A table of questions with their right answers, computed by pandas beside the rules."""
