"""A neighbour that wants one CPU, until it is killed."""

while True:
    pass
