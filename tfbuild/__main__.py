"""``python -m tfbuild`` is the program ``tfbuild``."""

from tfbuild.program import main

main()
