"""The systems that are compared, each behind the same function: `load(model, tools, max_steps=...)`."""
