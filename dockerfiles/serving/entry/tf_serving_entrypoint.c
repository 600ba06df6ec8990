/* Starts tensorflow_model_server as upstream's shell script of this name does, in an image without a shell:
 *
 *   MODEL_NAME, MODEL_BASE_PATH   become --model_name and --model_base_path
 *   /etc/tensorflow-serving/server-args   what the image was built with, an argument in each line, comes next
 *   ARGUMENT...                   are passed on after them
 *   --healthcheck                 alone: exit 0 if the server that runs in this container has its model AVAILABLE
 *
 * It stays as the container's first process. The kernel ignores a signal that the first process has no handler
 * for, and the server has none for SIGTERM: started directly, it would run until the engine kills it. As a child
 * it ends at once. */
#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef SERVER
#define SERVER "/usr/bin/tensorflow_model_server"
#endif
#ifndef SERVER_ARGUMENTS
#define SERVER_ARGUMENTS "/etc/tensorflow-serving/server-args"
#endif
#define MOST_ARGUMENTS 256
/* EMULATOR: a program that runs SERVER, which is for another architecture; for tests on the machine that builds. */
#ifdef EMULATOR
#define STARTED EMULATOR
#else
#define STARTED SERVER
#endif
#define GRPC_PORT 8500
#define REST_PORT 8501
#define HEALTH_TIMEOUT_S 4 /* below the image's HEALTHCHECK timeout */
#define EXIT_NOT_EXECUTABLE 126
#define EXIT_NOT_FOUND 127

static volatile sig_atomic_t child;
static volatile sig_atomic_t asked_to_stop;

static int usage(const char *what) {
  fprintf(stderr, "tf_serving_entrypoint: %s\n", what);
  return 2;
}

/* An environment variable; empty counts as unset, as in the shell's ${NAME:-...}. */
static const char *setting(const char *name, const char *otherwise) {
  const char *value = getenv(name);
  return value != NULL && *value != '\0' ? value : otherwise;
}

static char *joined(const char *a, const char *b, const char *c, const char *d) {
  size_t size = strlen(a) + strlen(b) + strlen(c) + strlen(d) + 1;
  char *text = malloc(size);
  if (text != NULL) snprintf(text, size, "%s%s%s%s", a, b, c, d);
  return text;
}

/* A slash or ".." in a name would leave the folder of models. */
static int is_name(const char *name) {
  return strchr(name, '/') == NULL && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

static void forward(int number) {
  int saved = errno;
  if (number == SIGTERM || number == SIGINT) asked_to_stop = number;
  if (child > 0) kill((pid_t)child, number);
  errno = saved;
}

static int run(char **arguments) {
  static const int forwarded[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2};
  struct sigaction action;
  sigset_t blocked, before;
  pid_t parent = getpid();
  memset(&action, 0, sizeof(action));
  action.sa_handler = forward;
  sigemptyset(&blocked);
  for (size_t i = 0; i < sizeof(forwarded) / sizeof(*forwarded); i++) sigaddset(&blocked, forwarded[i]);
  action.sa_mask = blocked;
  /* A signal that comes before the child is known waits until it is. */
  sigprocmask(SIG_BLOCK, &blocked, &before);
  pid_t pid = fork();
  if (pid < 0) {
    perror("tf_serving_entrypoint: fork");
    return EXIT_NOT_EXECUTABLE;
  }
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(EXIT_NOT_EXECUTABLE);
    sigprocmask(SIG_SETMASK, &before, NULL);
    execv(STARTED, arguments);
    int code = errno == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
    perror("tf_serving_entrypoint: " STARTED);
    _exit(code);
  }
  child = pid;
  for (size_t i = 0; i < sizeof(forwarded) / sizeof(*forwarded); i++) sigaction(forwarded[i], &action, NULL);
  sigprocmask(SIG_SETMASK, &before, NULL);

  /* The first process inherits orphans, too. */
  for (;;) {
    int status;
    pid_t ended = waitpid(-1, &status, 0);
    if (ended < 0 && errno != EINTR) return EXIT_NOT_EXECUTABLE;
    if (ended != pid) continue;
    if (WIFEXITED(status)) return WEXITSTATUS(status);
    /* A stop that was asked for and happened is a success. */
    if (asked_to_stop && WTERMSIG(status) == asked_to_stop) return 0;
    return 128 + WTERMSIG(status);
  }
}

/* The lines of SERVER_ARGUMENTS from arguments[have] on; how many there are then. */
static size_t read_arguments(char **arguments, size_t have) {
  FILE *file = fopen(SERVER_ARGUMENTS, "r");
  char *line = NULL;
  size_t size = 0;
  ssize_t length;
  if (file == NULL) return have;
  while (have < MOST_ARGUMENTS && (length = getline(&line, &size, file)) > 0) {
    if (line[length - 1] == '\n') line[--length] = '\0';
    if (length == 0) continue;
    arguments[have++] = line;
    line = NULL;
    size = 0;
  }
  free(line);
  fclose(file);
  return have;
}

static int start(int count, char **more) {
  const char *name = setting("MODEL_NAME", "model"), *base = setting("MODEL_BASE_PATH", "/models");
  char port[32], rest[32];
  char **arguments = calloc((size_t)count + MOST_ARGUMENTS + 1, sizeof(char *));
  if (!is_name(name)) return usage("MODEL_NAME is not the name of a folder in MODEL_BASE_PATH");
  snprintf(port, sizeof(port), "--port=%d", GRPC_PORT);
  snprintf(rest, sizeof(rest), "--rest_api_port=%d", REST_PORT);
  char *model = joined("--model_name=", name, "", ""), *path = joined("--model_base_path=", base, "/", name);
  if (arguments == NULL || model == NULL || path == NULL) return usage("out of memory");
  char *fixed[] = {
#ifdef EMULATOR
      (char *)EMULATOR,
#endif
      (char *)SERVER, port, rest, model, path};
  memcpy(arguments, fixed, sizeof(fixed));
  size_t have = read_arguments(arguments, sizeof(fixed) / sizeof(*fixed));
  memcpy(arguments + have, more, (size_t)count * sizeof(char *));
  return run(arguments);
}

/* --- health ------------------------------------------------------------------------------------------------ */

struct target {
  int port;
  char name[NAME_MAX + 1];
  int many; /* --model_config_file: which models there are, only the server knows */
};

/* The last value counts, as it does for the server. */
static void read_argument(const char *word, struct target *target) {
  static const char port[] = "--rest_api_port=", name[] = "--model_name=", file[] = "--model_config_file=";
  if (strncmp(word, port, strlen(port)) == 0) target->port = atoi(word + strlen(port));
  if (strncmp(word, name, strlen(name)) == 0) snprintf(target->name, sizeof(target->name), "%s", word + strlen(name));
  if (strncmp(word, file, strlen(file)) == 0) target->many = 1;
}

/* What the container's first process was given; the environment of a health check is the image's. */
static void read_command_line(const char *path, struct target *target) {
  char buffer[65536];
  FILE *file = fopen(path, "rb");
  if (file == NULL) return;
  size_t size = fread(buffer, 1, sizeof(buffer) - 1, file);
  fclose(file);
  buffer[size] = '\0';
  for (size_t at = 0; at < size; at += strlen(buffer + at) + 1) read_argument(buffer + at, target);
}

/* Status of "GET /v1/models/NAME", or 0; the whole answer in `answer`. */
static int ask(const struct target *target, char *answer, size_t size) {
  char request[512];
  struct timeval limit = {HEALTH_TIMEOUT_S, 0};
  struct sockaddr_in address = {0};
  int status = 0;
  size_t have = 0;
  int connection = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connection < 0) return 0;
  address.sin_family = AF_INET;
  address.sin_port = htons((unsigned short)target->port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  setsockopt(connection, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
  int length = snprintf(request, sizeof(request), "GET /v1/models/%s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
                        target->name);
  if (length > 0 && (size_t)length < sizeof(request) &&
      connect(connection, (struct sockaddr *)&address, sizeof(address)) == 0 &&
      send(connection, request, (size_t)length, MSG_NOSIGNAL) == length) {
    ssize_t count;
    while (have < size - 1 && (count = recv(connection, answer + have, size - 1 - have, 0)) > 0) have += (size_t)count;
  }
  close(connection);
  answer[have] = '\0';
  return sscanf(answer, "HTTP/%*s %d", &status) == 1 ? status : 0;
}

static int healthcheck(void) {
  struct target target = {.port = REST_PORT};
  char answer[65536];
  snprintf(target.name, sizeof(target.name), "%s", setting("MODEL_NAME", "model"));
  read_command_line(setting("TF_SERVING_CMDLINE", "/proc/1/cmdline"), &target);
  int status = ask(&target, answer, sizeof(answer));
  if (target.many && status != 0) return 0;
  if (status == 200 && strstr(answer, "\"AVAILABLE\"") != NULL) return 0;
  fprintf(stderr, "tf_serving_entrypoint: model %s on port %d is not available (HTTP status %d)\n", target.name,
          target.port, status);
  return 1;
}

int main(int argc, char **argv) {
  if (argc == 2 && strcmp(argv[1], "--healthcheck") == 0) return healthcheck();
  return start(argc - 1, argv + 1);
}
