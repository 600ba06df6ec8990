/* Runs one model through LiteRT's own C API (libLiteRt.so) on its CPU accelerator; see operators.h. XNNPACK is the
 * accelerator's default; without it TFLite's own kernels are asked for. */
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "litert/c/litert_common.h"
#include "litert/c/litert_compiled_model.h"
#include "litert/c/litert_environment.h"
#include "litert/c/litert_model.h"
#include "litert/c/litert_opaque_options.h"
#include "litert/c/litert_options.h"
#include "litert/c/litert_tensor_buffer.h"
#include "litert/c/options/litert_cpu_options.h"
#include "operators.h"

#define MAX_INPUTS 16

/* Since 2.2 a model is made in an environment. */
typedef LiteRtStatus (*CreateModel)(const void*, size_t, LiteRtModel*);
typedef LiteRtStatus (*CreateModelIn)(LiteRtEnvironment, const void*, size_t, LiteRtModel*);

typedef struct {
  LiteRtEnvironment environment;
  LiteRtModel model;
  LiteRtOptions options;
  LiteRtCompiledModel compiled;
  LiteRtTensorBuffer inputs[MAX_INPUTS];
  LiteRtTensorBuffer outputs[OPERATORS_OUTPUTS];
  LiteRtRankedTensorType output_types[OPERATORS_OUTPUTS];
  LiteRtParamIndex input_count;
  LiteRtParamIndex output_count;
} Session;

/* The library has no function that tells it. */
const char* operator_version(void) { return ""; }

static int fail(OperatorResult* result, const char* what) {
  operator_say(result, what);
  return 1;
}

static LiteRtStatus create_model(Session* session, const OperatorModel* model) {
  void (*create)(void) = (void (*)(void))LiteRtCreateModelFromBuffer;
  if (_Generic(&LiteRtCreateModelFromBuffer, CreateModel: 1, default: 0)) {
    return ((CreateModel)create)(model->data, model->size, &session->model);
  }
  return ((CreateModelIn)create)(session->environment, model->data, model->size, &session->model);
}

/* One thread, and the kernels that are asked for. */
static int cpu_options(Session* session, int xnnpack, OperatorResult* result) {
  LrtCpuOptions* cpu = NULL;
  LiteRtOpaqueOptions opaque = NULL;
  const char* identifier = NULL;
  void* payload = NULL;
  void (*deleter)(void*) = NULL;
  LiteRtCpuKernelMode mode = xnnpack ? kLiteRtCpuKernelModeXnnpack : kLiteRtCpuKernelModeBuiltin;
  if (LrtCreateCpuOptions(&cpu) != kLiteRtStatusOk) return fail(result, "(LrtCreateCpuOptions)");
  int done = LrtSetCpuOptionsNumThread(cpu, 1) == kLiteRtStatusOk &&
             LrtSetCpuOptionsKernelMode(cpu, mode) == kLiteRtStatusOk &&
             LrtGetOpaqueCpuOptionsData(cpu, &identifier, &payload, &deleter) == kLiteRtStatusOk &&
             LiteRtCreateOpaqueOptions(identifier, payload, deleter, &opaque) == kLiteRtStatusOk &&
             LiteRtAddOpaqueOptions(session->options, opaque) == kLiteRtStatusOk;
  LrtDestroyCpuOptions(cpu);
  return done ? 0 : fail(result, "(the options of the CPU)");
}

static int input(Session* session, LiteRtSignature signature, LiteRtParamIndex index) {
  LiteRtTensor tensor = NULL;
  LiteRtRankedTensorType type;
  LiteRtTensorBufferRequirements needs = NULL;
  return LiteRtGetSignatureInputTensorByIndex(signature, index, &tensor) == kLiteRtStatusOk &&
         LiteRtGetRankedTensorType(tensor, &type) == kLiteRtStatusOk &&
         LiteRtGetCompiledModelInputBufferRequirements(session->compiled, 0, index, &needs) == kLiteRtStatusOk &&
         LiteRtCreateManagedTensorBufferFromRequirements(session->environment, &type, needs,
                                                         &session->inputs[index]) == kLiteRtStatusOk;
}

static int output(Session* session, LiteRtSignature signature, const LiteRtLayout* layouts, LiteRtParamIndex index) {
  LiteRtTensor tensor = NULL;
  LiteRtTensorBufferRequirements needs = NULL;
  LiteRtRankedTensorType* type = &session->output_types[index];
  if (LiteRtGetSignatureOutputTensorByIndex(signature, index, &tensor) != kLiteRtStatusOk ||
      LiteRtGetRankedTensorType(tensor, type) != kLiteRtStatusOk) {
    return 0;
  }
  type->layout = layouts[index];
  return LiteRtGetCompiledModelOutputBufferRequirements(session->compiled, 0, index, &needs) == kLiteRtStatusOk &&
         LiteRtCreateManagedTensorBufferFromRequirements(session->environment, type, needs,
                                                         &session->outputs[index]) == kLiteRtStatusOk;
}

static int buffers(Session* session, OperatorResult* result) {
  LiteRtSignature signature = NULL;
  LiteRtLayout layouts[OPERATORS_OUTPUTS];
  if (LiteRtGetModelSignature(session->model, 0, &signature) != kLiteRtStatusOk ||
      LiteRtGetNumSignatureInputs(signature, &session->input_count) != kLiteRtStatusOk ||
      LiteRtGetNumSignatureOutputs(signature, &session->output_count) != kLiteRtStatusOk) {
    return fail(result, "(the signature)");
  }
  if (session->input_count > MAX_INPUTS || session->output_count > OPERATORS_OUTPUTS) {
    return fail(result, "(too many inputs or outputs)");
  }
  if (LiteRtGetCompiledModelOutputTensorLayouts(session->compiled, 0, session->output_count, layouts, true) !=
      kLiteRtStatusOk) {
    return fail(result, "(LiteRtGetCompiledModelOutputTensorLayouts)");
  }
  for (LiteRtParamIndex i = 0; i < session->input_count; ++i) {
    if (!input(session, signature, i)) return fail(result, "(an input's buffer)");
  }
  for (LiteRtParamIndex i = 0; i < session->output_count; ++i) {
    if (!output(session, signature, layouts, i)) return fail(result, "(an output's buffer)");
  }
  return 0;
}

static int fill(Session* session, const OperatorModel* model) {
  size_t place = 0;
  for (LiteRtParamIndex i = 0; i < session->input_count; ++i) {
    size_t size = 0;
    void* bytes = NULL;
    if (LiteRtGetTensorBufferPackedSize(session->inputs[i], &size) != kLiteRtStatusOk) return 0;
    if (size > model->inputs_size - place) return 0;
    if (LiteRtLockTensorBuffer(session->inputs[i], &bytes, kLiteRtTensorBufferLockModeWrite) != kLiteRtStatusOk) {
      return 0;
    }
    memcpy(bytes, model->inputs + place, size);
    if (LiteRtUnlockTensorBuffer(session->inputs[i]) != kLiteRtStatusOk) return 0;
    place += size;
  }
  return place == model->inputs_size;
}

static OperatorValues values(LiteRtElementType type) {
  switch (type) {
    case kLiteRtElementTypeFloat32:
      return kValuesFloat32;
    case kLiteRtElementTypeInt8:
      return kValuesInt8;
    case kLiteRtElementTypeUInt8:
      return kValuesUint8;
    case kLiteRtElementTypeBool:
      return kValuesBool;
    case kLiteRtElementTypeInt16:
      return kValuesInt16;
    case kLiteRtElementTypeInt32:
      return kValuesInt32;
    case kLiteRtElementTypeInt64:
      return kValuesInt64;
    default:
      return kValuesOther;
  }
}

static int hand_over(Session* session, OperatorResult* result, OperatorSink sink, void* context) {
  result->output_count = (int)session->output_count;
  for (LiteRtParamIndex i = 0; i < session->output_count; ++i) {
    void* bytes = NULL;
    OperatorOutput* output = &result->outputs[i];
    output->type = values(session->output_types[i].element_type);
    if (LiteRtGetTensorBufferPackedSize(session->outputs[i], &output->size) != kLiteRtStatusOk ||
        LiteRtLockTensorBuffer(session->outputs[i], &bytes, kLiteRtTensorBufferLockModeRead) != kLiteRtStatusOk) {
      return fail(result, "(reading an output)");
    }
    output->data = bytes;
  }
  sink(result, context);
  for (LiteRtParamIndex i = 0; i < session->output_count; ++i) LiteRtUnlockTensorBuffer(session->outputs[i]);
  return 0;
}

/* Why a model is refused the library says on standard error alone. */
static LiteRtStatus compile_model(Session* session, OperatorResult* result) {
  char words[4096];
  size_t length = 0;
  ssize_t got = 0;
  int ends[2];
  int usual = dup(STDERR_FILENO);
  if (usual < 0 || pipe(ends) != 0) return kLiteRtStatusErrorRuntimeFailure;
  /* What there is no room for must not stop the library. */
  fcntl(ends[0], F_SETFL, O_NONBLOCK);
  fcntl(ends[1], F_SETFL, O_NONBLOCK);
  dup2(ends[1], STDERR_FILENO);
  close(ends[1]);
  LiteRtStatus status =
      LiteRtCreateCompiledModel(session->environment, session->model, session->options, &session->compiled);
  dup2(usual, STDERR_FILENO);
  close(usual);
  while ((got = read(ends[0], words + length, sizeof(words) - 1 - length)) > 0) length += (size_t)got;
  close(ends[0]);
  words[length] = '\0';
  fputs(words, stderr);
  const char* error = strstr(words, "ERROR: ");
  if (status != kLiteRtStatusOk && error != NULL) operator_say(result, error);
  return status;
}

static int compile_and_run(Session* session, const OperatorModel* model, int xnnpack, OperatorResult* result,
                           OperatorSink sink, void* context) {
  bool whole = false;
  if (LiteRtCreateEnvironment(0, NULL, &session->environment) != kLiteRtStatusOk) {
    return fail(result, "(LiteRtCreateEnvironment)");
  }
  if (create_model(session, model) != kLiteRtStatusOk) return fail(result, "(LiteRtCreateModelFromBuffer)");
  if (LiteRtCreateOptions(&session->options) != kLiteRtStatusOk ||
      LiteRtSetOptionsHardwareAccelerators(session->options, kLiteRtHwAcceleratorCpu) != kLiteRtStatusOk) {
    return fail(result, "(LiteRtCreateOptions)");
  }
  if (cpu_options(session, xnnpack, result) != 0) return 1;
  if (compile_model(session, result) != kLiteRtStatusOk) return fail(result, "(LiteRtCreateCompiledModel)");
  if (LiteRtCompiledModelIsFullyAccelerated(session->compiled, &whole) != kLiteRtStatusOk) {
    return fail(result, "(LiteRtCompiledModelIsFullyAccelerated)");
  }
  result->delegated = whole;
  result->left = whole ? 0 : -1;
  if (buffers(session, result) != 0) return 1;
  for (int run = 0; run < 2; ++run) {
    if (!fill(session, model)) return fail(result, "(the inputs' sizes)");
    if (LiteRtRunCompiledModel(session->compiled, 0, session->input_count, session->inputs, session->output_count,
                               session->outputs) != kLiteRtStatusOk) {
      return fail(result, "(LiteRtRunCompiledModel)");
    }
  }
  return hand_over(session, result, sink, context);
}

static void destroy(Session* session) {
  for (int i = 0; i < MAX_INPUTS; ++i) {
    if (session->inputs[i] != NULL) LiteRtDestroyTensorBuffer(session->inputs[i]);
  }
  for (int i = 0; i < OPERATORS_OUTPUTS; ++i) {
    if (session->outputs[i] != NULL) LiteRtDestroyTensorBuffer(session->outputs[i]);
  }
  if (session->compiled != NULL) LiteRtDestroyCompiledModel(session->compiled);
  if (session->options != NULL) LiteRtDestroyOptions(session->options);
  if (session->model != NULL) LiteRtDestroyModel(session->model);
  if (session->environment != NULL) LiteRtDestroyEnvironment(session->environment);
}

int operator_run(const OperatorModel* model, int xnnpack, OperatorResult* result, OperatorSink sink, void* context) {
  Session session;
  memset(&session, 0, sizeof(session));
  int status = compile_and_run(&session, model, xnnpack, result, sink, context);
  destroy(&session);
  return status;
}
