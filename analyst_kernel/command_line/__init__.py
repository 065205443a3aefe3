"""The commands of ``analyst``, one module per subject, and their output on a terminal."""
