/* A program that needs nothing. */
void _start(void) {
  for (;;) {
  }
}
