"""Users' files are parsed in processes of their own: ``outside`` asks them, ``inside`` answers."""
