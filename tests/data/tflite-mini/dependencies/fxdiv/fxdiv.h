#define FXDIV_WORD "fxdiv-locked"
