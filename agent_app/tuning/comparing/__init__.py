"""Compares ways to have a small model make the moves of an agent, and writes the report.

systems     what is compared
learning    a short tuning, the same for all that learn
merged      a model's file with what LoRA has learnt in it
serving     a system is served, scored and timed
cells       what has been measured is kept, cell by cell
figures     means, intervals, and what a prompt is worth in data points
plots       pictures
report      the text
"""
