/* A program that never has to run: it only has headers that say what it needs. */
extern const char *TfLiteVersion(void);
void _start(void) {
  TfLiteVersion();
  for (;;) {
  }
}
