"""Soft prompts as they are stored and served: virtual tokens tuned for one frozen model; no torch here."""
