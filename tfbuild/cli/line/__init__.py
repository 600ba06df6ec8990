"""How a command line is read: its words, its variables, what could come next."""
