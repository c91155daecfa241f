"""What is right: judges say it of an answer, the repeats of a question vote, and scores sum it up."""
