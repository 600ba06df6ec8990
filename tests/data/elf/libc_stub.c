/* Stands in for the C library, so that the fixtures need no real one; libc.map gives the versions. */
unsigned long strlcpy(char *to, const char *from, unsigned long size) {
  (void)to;
  (void)from;
  return size;
}
int puts(const char *text) { return text != 0; }
double exp(double x) { return x; }
