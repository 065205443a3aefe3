"""The commands of ``analyst``, one file per subject, and what they show on a terminal."""
