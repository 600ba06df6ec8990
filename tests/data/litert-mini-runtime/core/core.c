int litert_core_answer(void) { return 40; }
