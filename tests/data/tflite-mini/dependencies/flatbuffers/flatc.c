/* Stands for the program that generates code during the build. */
#include <stdio.h>

int main(void) { return puts("#define GENERATED_WORD \"generated-by-flatc\"") < 0; }
