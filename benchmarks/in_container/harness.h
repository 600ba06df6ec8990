/* What the two programs share: the talk with rounds.py, and the clock.
 *
 * Talk, one line each way: first "ready" from here. "run N" is answered by the process's CPU nanoseconds of the
 * N inferences together, then the nanoseconds of each of them. "output" is answered by the output's values.
 * The end of the input ends the program. */
#ifndef BENCHMARKS_HARNESS_H_
#define BENCHMARKS_HARNESS_H_

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Before each run: others have used the caches meanwhile. Not timed. */
#define HARNESS_WARM_UP 2
#define HARNESS_MAX_RUNS 10000

static inline int64_t harness_now(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* The same input for everybody, byte i of a noisy picture: multiplicative hashing (Knuth, TAOCP 3, 6.4). */
static inline uint8_t harness_byte(size_t i) { return (uint8_t)(((uint32_t)i * 2654435761u) >> 24); }

static inline void harness_fill(void* data, size_t bytes, int is_float) {
  size_t count = is_float ? bytes / sizeof(float) : bytes;
  for (size_t i = 0; i < count; ++i) {
    if (is_float) {
      ((float*)data)[i] = (float)harness_byte(i) / 127.5f - 1.0f;
    } else {
      ((int8_t*)data)[i] = (int8_t)((int)harness_byte(i) - 128);
    }
  }
}

static inline void harness_print(const void* data, size_t bytes, int is_float) {
  size_t count = is_float ? bytes / sizeof(float) : bytes;
  for (size_t i = 0; i < count; ++i) {
    printf(i ? " %.9g" : "%.9g", is_float ? (double)((const float*)data)[i] : (double)((const int8_t*)data)[i]);
  }
  printf("\n");
}

/* Answers until the input ends; `invoke` gives 0 for success, `print` writes the line of the output. */
static inline int harness_serve(int (*invoke)(void*), void (*print)(void*), void* state) {
  static int64_t times[HARNESS_MAX_RUNS];
  char line[64];
  setvbuf(stdout, NULL, _IOLBF, 1 << 16);
  printf("ready\n");
  while (fgets(line, sizeof line, stdin) != NULL) {
    if (strcmp(line, "output\n") == 0) {
      print(state);
      continue;
    }
    int runs = strncmp(line, "run ", 4) == 0 ? atoi(line + 4) : 0;
    if (runs < 1 || runs > HARNESS_MAX_RUNS) return 2;
    for (int i = 0; i < HARNESS_WARM_UP; ++i) {
      if (invoke(state) != 0) return 1;
    }
    int64_t cpu = harness_now(CLOCK_PROCESS_CPUTIME_ID);
    for (int i = 0; i < runs; ++i) {
      int64_t began = harness_now(CLOCK_MONOTONIC);
      if (invoke(state) != 0) return 1;
      times[i] = harness_now(CLOCK_MONOTONIC) - began;
    }
    printf("%lld", (long long)(harness_now(CLOCK_PROCESS_CPUTIME_ID) - cpu));
    for (int i = 0; i < runs; ++i) printf(" %lld", (long long)times[i]);
    printf("\n");
  }
  return 0;
}

#endif
