/* NT_GNU_ABI_TAG of the Linux Standard Base: name, description (0 is Linux, then the version). */
__attribute__((section(".note.ABI-tag"), used, aligned(4))) static const struct {
  unsigned name_size, size, type;
  char name[4];
  unsigned os, major, minor, patch;
} note = {4, 16, 1, "GNU", 0, 9, 0, 0};
