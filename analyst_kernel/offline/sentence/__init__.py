"""The strict reading of a question, in which every word has its use or the reading fails."""
