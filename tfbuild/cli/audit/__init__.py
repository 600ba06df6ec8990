"""The commands that judge a result over time: the same bytes again, and what is newer now."""
