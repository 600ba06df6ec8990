#define KLEIDIAI_WORD "kleidiai-locked"
