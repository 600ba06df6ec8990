/* Stands in for the TFLite C library: two API functions, versioned imports, and one name that must not leak. */
extern unsigned long strlcpy(char *to, const char *from, unsigned long size);
extern int puts(const char *text);
extern double exp(double x);

static char buffer[16];
const char *TfLiteVersion(void) {
  strlcpy(buffer, "2.14.1", sizeof buffer);
  puts(buffer);
  return buffer;
}
int TfLiteTensorType(int type) { return (int)exp(type); }

#ifdef LEAKY
int internal_helper(void) { return 7; }
int _ZN6tflite6Helper3runEv(void) { return 8; }
#endif
