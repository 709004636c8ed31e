"""How pages of the admin write moments (FORMAT_MODULE_PATH)."""
