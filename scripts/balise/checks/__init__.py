"""One module per suite of checks; every check has a code, a severity and an explanation."""
