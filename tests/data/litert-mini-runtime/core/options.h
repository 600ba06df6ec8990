/* What litert/cc includes of core. */
