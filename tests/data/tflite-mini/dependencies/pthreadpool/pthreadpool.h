#define PTHREADPOOL_WORD "pthreadpool-locked"
