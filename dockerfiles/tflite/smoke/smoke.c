/* Runs one model through the C API of libtensorflowlite_c.so and tells what happened.
 *
 *   smoke-c MODEL [--xnnpack] VALUE...
 *   smoke-c MODEL [--xnnpack] --zeros      a model that is not ours: all inputs are zero, as they are shaped, and
 *                                          "output N" says how many results there are; strings are not filled, and
 *                                          then nothing is computed
 *
 * Prints, one fact per line: "version V", "delegated N" (nodes that a delegate runs), "left OP" (the builtin
 * code of each node that it left), "output VALUE...". The judgement is the caller's. The C API's interpreter has
 * no default delegates (tensorflow/lite/core/create_op_resolver_with_builtin_ops.cc), so XNNPACK is added
 * as an application has to; where there is no interpreter with it, one without it is made, as docs/tflite.md says.
 * Exit code 1: a call failed; 2: wrong arguments. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tensorflow/lite/c/c_api.h"
#include "tensorflow/lite/c/common.h"
#ifdef TFBUILD_XNNPACK
#include "tensorflow/lite/delegates/xnnpack/xnnpack_delegate.h"
#endif

#define MAX_VALUES 4096

static int fail(const char* what) {
  fprintf(stderr, "smoke-c: %s failed\n", what);
  return 1;
}

#ifdef TFBUILD_XNNPACK
static TfLiteStatus (*prepare_xnnpack)(TfLiteContext*, TfLiteDelegate*);

/* The C API shows no execution plan; a delegate's Prepare sees it, so ours looks right after XNNPACK's. */
static TfLiteStatus prepare_and_tell(TfLiteContext* context, TfLiteDelegate* delegate) {
  TfLiteStatus status = prepare_xnnpack(context, delegate);
  TfLiteIntArray* plan = NULL;
  if (status != kTfLiteOk || context->GetExecutionPlan(context, &plan) != kTfLiteOk) return status;
  int delegated = 0;
  for (int i = 0; i < plan->size; ++i) {
    TfLiteNode* node = NULL;
    TfLiteRegistration* registration = NULL;
    if (context->GetNodeAndRegistration(context, plan->data[i], &node, &registration) != kTfLiteOk) {
      return kTfLiteError;
    }
    if (node->delegate != NULL) {
      ++delegated;
    } else {
      printf("left %d\n", (int)registration->builtin_code);
    }
  }
  printf("delegated %d\n", delegated);
  return status;
}
#endif

static int fill(TfLiteTensor* tensor, const double* values, int count) {
  static float floats[MAX_VALUES];
  static uint8_t bytes[MAX_VALUES];
  for (int i = 0; i < count; ++i) {
    floats[i] = (float)values[i];
    bytes[i] = (uint8_t)(int)values[i];
  }
  int is_float = TfLiteTensorType(tensor) == kTfLiteFloat32;
  const void* data = is_float ? (const void*)floats : (const void*)bytes;
  size_t size = (size_t)count * (is_float ? sizeof(float) : 1);
  return TfLiteTensorCopyFromBuffer(tensor, data, size) == kTfLiteOk;
}

static int elements(const TfLiteTensor* tensor) {
  int count = 1;
  for (int i = 0; i < TfLiteTensorNumDims(tensor); ++i) count *= TfLiteTensorDim(tensor, i);
  return count;
}

static int print_output(const TfLiteTensor* tensor) {
  const void* data = TfLiteTensorData(tensor);
  size_t size = TfLiteTensorByteSize(tensor);
  printf("output");
  switch (TfLiteTensorType(tensor)) {
    case kTfLiteFloat32:
      for (size_t i = 0; i < size / sizeof(float); ++i) printf(" %g", ((const float*)data)[i]);
      break;
    case kTfLiteInt8:
      for (size_t i = 0; i < size; ++i) printf(" %d", ((const int8_t*)data)[i]);
      break;
    case kTfLiteUInt8:
      for (size_t i = 0; i < size; ++i) printf(" %d", ((const uint8_t*)data)[i]);
      break;
    default:
      return 0;
  }
  printf("\n");
  return 1;
}

static int compute_zeros(TfLiteInterpreter* interpreter) {
  int strings = 0;
  for (int i = 0; i < TfLiteInterpreterGetInputTensorCount(interpreter); ++i) {
    TfLiteTensor* tensor = TfLiteInterpreterGetInputTensor(interpreter, i);
    if (TfLiteTensorType(tensor) == kTfLiteString) {
      strings = 1;
    } else if (TfLiteTensorByteSize(tensor) > 0) {
      memset(TfLiteTensorData(tensor), 0, TfLiteTensorByteSize(tensor));
    }
  }
  if (!strings && TfLiteInterpreterInvoke(interpreter) != kTfLiteOk) return 0;
  printf("output %d\n", (int)TfLiteInterpreterGetOutputTensorCount(interpreter));
  return 1;
}

int main(int argc, char** argv) {
  double values[MAX_VALUES];
  int count = 0;
  int xnnpack = 0;
  int zeros = 0;
  if (argc < 2) return 2;
  for (int i = 2; i < argc; ++i) {
    if (strcmp(argv[i], "--xnnpack") == 0) {
      xnnpack = 1;
    } else if (strcmp(argv[i], "--zeros") == 0) {
      zeros = 1;
    } else if (count < MAX_VALUES) {
      values[count++] = atof(argv[i]);
    } else {
      return 2;
    }
  }
  printf("version %s\n", TfLiteVersion());

  TfLiteModel* model = TfLiteModelCreateFromFile(argv[1]);
  if (model == NULL) return fail("TfLiteModelCreateFromFile");
  TfLiteInterpreterOptions* options = TfLiteInterpreterOptionsCreate();
  TfLiteInterpreterOptionsSetNumThreads(options, 1);
#ifdef TFBUILD_XNNPACK
  TfLiteDelegate* delegate = NULL;
  if (xnnpack) {
    delegate = TfLiteXNNPackDelegateCreate(NULL);
    if (delegate == NULL) return fail("TfLiteXNNPackDelegateCreate");
    prepare_xnnpack = delegate->Prepare;
    delegate->Prepare = prepare_and_tell;
    TfLiteInterpreterOptionsAddDelegate(options, delegate);
  }
#else
  if (xnnpack) return fail("--xnnpack in a build without XNNPACK");
#endif
  TfLiteInterpreter* interpreter = TfLiteInterpreterCreate(model, options);
  if (interpreter == NULL && xnnpack) {
    TfLiteInterpreterOptionsDelete(options);
    options = TfLiteInterpreterOptionsCreate();
    TfLiteInterpreterOptionsSetNumThreads(options, 1);
    interpreter = TfLiteInterpreterCreate(model, options);
    printf("delegated 0\n");
  }
  if (interpreter == NULL) return fail("TfLiteInterpreterCreate");
  if (zeros) {
    if (TfLiteInterpreterAllocateTensors(interpreter) != kTfLiteOk) return fail("AllocateTensors");
    if (!compute_zeros(interpreter)) return fail("TfLiteInterpreterInvoke");
  } else {
    TfLiteTensor* input = TfLiteInterpreterGetInputTensor(interpreter, 0);
    /* A model that takes any shape gets a vector of the values. */
    if (elements(input) != count &&
        TfLiteInterpreterResizeInputTensor(interpreter, 0, &count, 1) != kTfLiteOk) {
      return fail("TfLiteInterpreterResizeInputTensor");
    }
    if (TfLiteInterpreterAllocateTensors(interpreter) != kTfLiteOk) return fail("AllocateTensors");
    input = TfLiteInterpreterGetInputTensor(interpreter, 0);
    if (!fill(input, values, count)) return fail("TfLiteTensorCopyFromBuffer");
    if (TfLiteInterpreterInvoke(interpreter) != kTfLiteOk) return fail("TfLiteInterpreterInvoke");
    if (!print_output(TfLiteInterpreterGetOutputTensor(interpreter, 0))) return fail("reading the output");
  }

  TfLiteInterpreterDelete(interpreter);
  TfLiteInterpreterOptionsDelete(options);
#ifdef TFBUILD_XNNPACK
  if (delegate != NULL) TfLiteXNNPackDelegateDelete(delegate);
#endif
  TfLiteModelDelete(model);
  return 0;
}
