"""Tunes soft prompts: the data, the training and the measuring; needs the extra `soft`."""
