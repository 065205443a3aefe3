"""What the wires of models share: connection, watched stream, kinds of failure, history."""
