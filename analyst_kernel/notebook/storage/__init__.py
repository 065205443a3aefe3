"""The notebook's file: how it is opened, written and kept in step with other writers."""
