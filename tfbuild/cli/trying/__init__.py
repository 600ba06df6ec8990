"""Commands that try results: compare, report, benchmark, run, shell."""
