#define NEON2SSE_WORD "neon2sse-locked"
