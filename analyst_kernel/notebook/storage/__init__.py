"""Where a notebook is stored, and how it is written beside other writers."""
