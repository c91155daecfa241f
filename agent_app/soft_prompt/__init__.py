"""Soft prompts as they are stored and served: virtual tokens tuned for one frozen model; no torch here."""

from agent_app.soft_prompt.card import SOFT_NAME, Base, Card, Method, Point
from agent_app.soft_prompt.library import find_soft_prompt, soft_folders, with_others
from agent_app.soft_prompt.stored import SoftPrompt, load_soft_prompt, save_soft_prompt

__all__ = [
    "SOFT_NAME",
    "Base",
    "Card",
    "Method",
    "Point",
    "SoftPrompt",
    "find_soft_prompt",
    "load_soft_prompt",
    "save_soft_prompt",
    "soft_folders",
    "with_others",
]
