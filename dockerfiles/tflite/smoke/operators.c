/* Runs a pack of models of one operator each and says what is wrong; the pack is made by python -m tests.operators.
 *
 *   operators-c PACK [--column NAME] [--no-xnnpack] [--only TEXT] [--verbose]
 *
 * Prints "version V"; for each model that is not right "operator NAME WAY STATE TEXT", with the WAY reference or
 * xnnpack and the STATE wrong, failed, crashed, or left: XNNPACK does not run what it runs in the release that
 * the column is for; at the end, for each way, "operators WAY MODELS RIGHT DELEGATED". --verbose prints the right
 * ones, too. The judgement is the caller's: exit code 1 means that the pack could not be read, 2 wrong arguments.
 *
 * A child runs the models and tells through a pipe. Where a model ends it (an abort in a kernel), this is told as a
 * crash of that model, and the next child goes on behind it; also behind a wrong answer, for what gives one may have
 * written where it should not. A model without an answer is right if it leaves the process alive. */
#define _POSIX_C_SOURCE 200809L
#include "operators.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAGIC "TFOPER02"
#define COLUMNS 32
#define NOT_DELEGATED 255
#define SHOWN 4
#define SECONDS_FOR_ONE 120 /* under an emulator, on a busy machine; a model takes milliseconds */

typedef struct {
  char magic[8];
  uint32_t models;
  uint32_t columns;
} Header;

typedef struct {
  char name[32];
} Column;

typedef struct {
  char name[80];
  uint32_t model, model_size, inputs, inputs_size, answer, answer_size;
  float absolute, relative;
  uint8_t left[COLUMNS]; /* nodes that XNNPACK leaves in each column's package */
} Entry;

typedef enum { kRight, kWrong, kFailed, kLeft, kCrashed } State;
static const char* const kStates[] = {"right", "wrong", "failed", "left", "crashed"};
static const char* const kWays[] = {"reference", "xnnpack"};

typedef struct {
  int32_t state;
  int32_t whole; /* XNNPACK runs all of it */
  int32_t delegated;
  int32_t left;
  char text[OPERATORS_TEXT];
} Verdict;

typedef struct {
  const unsigned char* bytes;
  const Header* header;
  const Entry* entries;
  int column; /* -1: none */
  const char* only;
  int ways;
  int verbose;
} Suite;

typedef struct {
  const Entry* entry;
  const unsigned char* answer;
  Verdict* verdict;
} Judging;

void operator_say(OperatorResult* result, const char* words) {
  size_t used = strlen(result->text);
  const char* space = used > 0 ? " " : "";
  snprintf(result->text + used, sizeof(result->text) - used, "%s%s", space, words);
  for (char* each = result->text; *each != '\0'; ++each) {
    if (*each == '\n' || *each == '\r') *each = ' ';
  }
}

static size_t width(OperatorValues type) {
  static const size_t widths[] = {0, sizeof(float), 1, 1, 1, sizeof(int16_t), sizeof(int32_t), sizeof(int64_t)};
  return widths[type];
}

static double value(OperatorValues type, const unsigned char* data, size_t index) {
  union {
    float real;
    int16_t two;
    int32_t four;
    int64_t eight;
  } each;
  if (type == kValuesInt8) return (int8_t)data[index];
  if (width(type) == 1) return data[index];
  memcpy(&each, data + index * width(type), width(type));
  switch (type) {
    case kValuesInt16:
      return each.two;
    case kValuesInt32:
      return each.four;
    case kValuesInt64:
      return (double)each.eight;
    default:
      return each.real;
  }
}

/* Writes what is wrong with one output into text. Returns 1 if nothing is. */
static int compare(const Entry* entry, const OperatorOutput* output, const unsigned char* answer, int number,
                   char* text) {
  size_t count = output->size / width(output->type);
  size_t wrong = 0;
  size_t first = 0;
  for (size_t i = 0; i < count; ++i) {
    double want = value(output->type, answer, i);
    double distance = fabs(value(output->type, (const unsigned char*)output->data, i) - want);
    /* Written so that a NaN is wrong. */
    if (!(distance <= (double)entry->absolute + (double)entry->relative * fabs(want)) && wrong++ == 0) first = i;
  }
  if (wrong == 0) return 1;
  int used = snprintf(text, OPERATORS_TEXT, "output %d: %zu of %zu values differ; from value %zu on: got", number,
                      wrong, count, first);
  size_t end = first + SHOWN < count ? first + SHOWN : count;
  for (size_t i = first; i < end; ++i) {
    used += snprintf(text + used, OPERATORS_TEXT - (size_t)used, " %g",
                     value(output->type, (const unsigned char*)output->data, i));
  }
  used += snprintf(text + used, OPERATORS_TEXT - (size_t)used, " expected");
  for (size_t i = first; i < end; ++i) {
    used += snprintf(text + used, OPERATORS_TEXT - (size_t)used, " %g", value(output->type, answer, i));
  }
  return 0;
}

static void judge(const OperatorResult* result, void* context) {
  const Judging* judging = context;
  const Entry* entry = judging->entry;
  if (entry->answer_size == 0) return;
  Verdict* verdict = judging->verdict;
  verdict->delegated = result->delegated;
  verdict->left = result->left;
  verdict->whole = result->delegated > 0 && result->left == 0;
  size_t place = 0;
  for (int i = 0; i < result->output_count; ++i) {
    const OperatorOutput* output = &result->outputs[i];
    if (width(output->type) == 0 || output->size > entry->answer_size - place) {
      verdict->state = kWrong;
      snprintf(verdict->text, sizeof(verdict->text), "output %d has %zu bytes, expected %zu", i, output->size,
               (size_t)entry->answer_size - place);
      return;
    }
    if (!compare(entry, output, judging->answer + place, i, verdict->text)) {
      verdict->state = kWrong;
      return;
    }
    place += output->size;
  }
  if (place != entry->answer_size) {
    verdict->state = kWrong;
    snprintf(verdict->text, sizeof(verdict->text), "%zu bytes of output, expected %zu", place,
             (size_t)entry->answer_size);
  }
}

/* Whether XNNPACK runs less of it than in the package that it is compared with. */
static int leaves_more(const Suite* suite, const Entry* entry, const Verdict* verdict) {
  if (suite->column < 0 || entry->left[suite->column] == NOT_DELEGATED) return 0;
  if (verdict->left < 0) return entry->left[suite->column] == 0;
  return verdict->delegated == 0 || verdict->left > entry->left[suite->column];
}

static void run_one(const Suite* suite, uint32_t index, int xnnpack, Verdict* verdict) {
  const Entry* entry = &suite->entries[index];
  const OperatorModel model = {suite->bytes + entry->model, entry->model_size, suite->bytes + entry->inputs,
                               entry->inputs_size};
  Judging judging = {entry, suite->bytes + entry->answer, verdict};
  OperatorResult result;
  memset(&result, 0, sizeof(result));
  memset(verdict, 0, sizeof(*verdict));
  int status = operator_run(&model, xnnpack, &result, judge, &judging);
  if (entry->answer_size == 0) return; /* an error or an answer: it is still alive */
  if (status != 0) {
    verdict->state = kFailed;
    memcpy(verdict->text, result.text, sizeof(verdict->text));
  } else if (verdict->state == kRight && xnnpack && leaves_more(suite, entry, verdict)) {
    verdict->state = kLeft;
    snprintf(verdict->text, sizeof(verdict->text), "not run by XNNPACK: operators %.300s", result.text);
  }
}

static int chosen(const Suite* suite, uint32_t index) {
  return strstr(suite->entries[index].name, suite->only) != NULL;
}

/* The child: verdicts of all chosen models from the job first on. Jobs are numbered way by way. */
static void run_from(const Suite* suite, uint32_t first, int pipe_end) {
  uint32_t models = suite->header->models;
  for (uint32_t job = first; job < models * (uint32_t)suite->ways; ++job) {
    if (!chosen(suite, job % models)) continue;
    Verdict verdict;
    alarm(SECONDS_FOR_ONE);
    run_one(suite, job % models, job >= models, &verdict);
    if (write(pipe_end, &verdict, sizeof(verdict)) != (ssize_t)sizeof(verdict)) _exit(1);
    if (verdict.state != kRight) return;
  }
}

static int read_all(int from, void* to, size_t size) {
  size_t have = 0;
  while (have < size) {
    ssize_t got = read(from, (char*)to + have, size - have);
    if (got <= 0) return 0;
    have += (size_t)got;
  }
  return 1;
}

static void tell(const Suite* suite, uint32_t job, const Verdict* verdict) {
  if (verdict->state == kRight && !suite->verbose) return;
  uint32_t models = suite->header->models;
  printf("operator %s %s %s %s\n", suite->entries[job % models].name, kWays[job / models],
         kStates[verdict->state], verdict->text);
}

/* How a child ended that said nothing of its model. It stays to be waited for. */
static void died(pid_t child, Verdict* verdict) {
  siginfo_t how;
  memset(&how, 0, sizeof(how));
  memset(verdict, 0, sizeof(*verdict));
  verdict->state = kCrashed;
  waitid(P_PID, (id_t)child, &how, WEXITED | WNOWAIT);
  snprintf(verdict->text, sizeof(verdict->text), "%s %d", how.si_code == CLD_EXITED ? "exit code" : "signal",
           how.si_status);
}

static int run_suite(const Suite* suite) {
  uint32_t models = suite->header->models;
  uint32_t jobs = models * (uint32_t)suite->ways;
  uint32_t counts[2][3] = {{0}};
  uint32_t job = 0;
  while (job < jobs) {
    int ends[2];
    if (pipe(ends) != 0) return 1;
    fflush(stdout);
    pid_t child = fork();
    if (child < 0) return 1;
    if (child == 0) {
      close(ends[0]);
      run_from(suite, job, ends[1]);
      _exit(0);
    }
    close(ends[1]);
    int alive = 1;
    for (; alive && job < jobs; ++job) {
      if (!chosen(suite, job % models)) continue;
      Verdict verdict;
      if (!read_all(ends[0], &verdict, sizeof(verdict))) died(child, &verdict);
      alive = verdict.state == kRight;
      uint32_t* count = counts[job / models];
      ++count[0];
      count[1] += verdict.state == kRight;
      count[2] += verdict.whole != 0;
      tell(suite, job, &verdict);
    }
    close(ends[0]);
    while (waitpid(child, NULL, 0) < 0 && errno == EINTR) {
    }
  }
  for (int way = 0; way < suite->ways; ++way) {
    printf("operators %s %u %u %u\n", kWays[way], counts[way][0], counts[way][1], counts[way][2]);
  }
  return 0;
}

/* The pack in memory, or NULL: a file that is no pack, or one that ends too early. */
static const unsigned char* load(const char* path) {
  int file = open(path, O_RDONLY);
  struct stat facts;
  if (file < 0 || fstat(file, &facts) != 0 || facts.st_size < (off_t)sizeof(Header)) return NULL;
  size_t size = (size_t)facts.st_size;
  void* bytes = mmap(NULL, size, PROT_READ, MAP_PRIVATE, file, 0);
  close(file);
  if (bytes == MAP_FAILED) return NULL;
  const Header* header = bytes;
  size_t entries = sizeof(Header) + header->columns * sizeof(Column);
  if (memcmp(header->magic, MAGIC, sizeof(header->magic)) != 0) return NULL;
  if (size < entries + (size_t)header->models * sizeof(Entry)) return NULL;
  const Entry* entry = (const Entry*)((const char*)bytes + entries);
  for (uint32_t i = 0; i < header->models; ++i) {
    if ((size_t)entry[i].model + entry[i].model_size > size || (size_t)entry[i].inputs + entry[i].inputs_size > size ||
        (size_t)entry[i].answer + entry[i].answer_size > size) {
      return NULL;
    }
  }
  return bytes;
}

int main(int argc, char** argv) {
  Suite suite = {.only = "", .ways = 2, .column = -1};
  const char* column = NULL;
  if (argc < 2) return 2;
  for (int i = 2; i < argc; ++i) {
    if (strcmp(argv[i], "--column") == 0 && i + 1 < argc) {
      column = argv[++i];
    } else if (strcmp(argv[i], "--only") == 0 && i + 1 < argc) {
      suite.only = argv[++i];
    } else if (strcmp(argv[i], "--no-xnnpack") == 0) {
      suite.ways = 1;
    } else if (strcmp(argv[i], "--verbose") == 0) {
      suite.verbose = 1;
    } else {
      return 2;
    }
  }
  suite.bytes = load(argv[1]);
  if (suite.bytes == NULL) {
    fprintf(stderr, "operators: %s cannot be read as a pack of operators\n", argv[1]);
    return 1;
  }
  suite.header = (const Header*)suite.bytes;
  const Column* columns = (const Column*)(suite.bytes + sizeof(Header));
  suite.entries = (const Entry*)(columns + suite.header->columns);
  for (uint32_t i = 0; column != NULL && i < suite.header->columns; ++i) {
    if (strncmp(columns[i].name, column, sizeof(columns[i].name)) == 0) suite.column = (int)i;
  }
  if (column != NULL && suite.column < 0) {
    fprintf(stderr, "operators: %s has no column %s\n", argv[1], column);
    return 2;
  }
  printf("version %s\n", operator_version());
  return run_suite(&suite);
}
