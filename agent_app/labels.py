"""The words of the ReAct format, and what a line that begins with one looks like.

One definition serves three readers: the parser finds the parts of a reply by it, the prompt quotes
look-alikes in text that is not the model's own, and the grammar is written with the same words.
"""
