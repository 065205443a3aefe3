"""Running a notebook again and comparing what it gives."""
