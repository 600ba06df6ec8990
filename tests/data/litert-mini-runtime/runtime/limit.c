int litert_runtime_limit(void) { return 40; }
