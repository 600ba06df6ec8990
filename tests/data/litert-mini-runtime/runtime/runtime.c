int litert_runtime_answer(void) { return 10; }
