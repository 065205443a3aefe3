"""Language models and their stand-ins behind one port: protocols, providers and prices."""
