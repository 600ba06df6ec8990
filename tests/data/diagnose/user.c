int new_symbol(void);
int old_symbol(void);
int use(void) { return new_symbol() + old_symbol(); }
