"""The pages of ``docs/reference/``, made from the code: ``python -m tfbuild.cli.reference``."""
