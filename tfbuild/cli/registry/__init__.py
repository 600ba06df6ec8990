"""``invoke push`` and ``invoke pull``."""
