int old_symbol(void) { return 1; }
int new_symbol(void) { return 2; }
