"""The tools that a model may call: their schemas, inputs and handlers."""
