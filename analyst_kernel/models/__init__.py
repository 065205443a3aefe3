"""Language models and their stand-ins behind one port: wires, providers, prices; no retries."""
