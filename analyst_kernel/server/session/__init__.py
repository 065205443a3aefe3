"""An analysis on a server: its commands, its queue of jobs, its user."""
