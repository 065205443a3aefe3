"""The journal of an analysis, and the way of its events to the browsers."""
