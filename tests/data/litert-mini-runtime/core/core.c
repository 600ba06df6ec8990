int litert_runtime_limit(void);

int litert_core_answer(void) { return litert_runtime_limit() - 10; }
