"""What can be done with a file of answers that is there: read it, compare it with another, judge it again."""
