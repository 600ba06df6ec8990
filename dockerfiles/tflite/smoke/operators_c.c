/* Runs one model through the C API; see operators.h. XNNPACK is added as an application has to: see smoke.c. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "operators.h"
#include "tensorflow/lite/c/c_api.h"
#include "tensorflow/lite/c/common.h"
#ifdef TFBUILD_XNNPACK
#include "tensorflow/lite/delegates/xnnpack/xnnpack_delegate.h"
#endif

static OperatorResult* current;
#ifdef TFBUILD_XNNPACK
static int looked; /* the delegate is asked for each subgraph, and the model's own is the first */
#endif

const char* operator_version(void) { return TfLiteVersion(); }

static void report(void* user_data, const char* format, va_list arguments) {
  char words[OPERATORS_TEXT];
  vsnprintf(words, sizeof(words), format, arguments);
  operator_say((OperatorResult*)user_data, words);
}

static int fail(OperatorResult* result, const char* what) {
  operator_say(result, what);
  return 1;
}

#ifdef TFBUILD_XNNPACK
static TfLiteStatus (*prepare_xnnpack)(TfLiteContext*, TfLiteDelegate*);

/* The C API shows no execution plan; a delegate's Prepare sees it, so ours looks right after XNNPACK's. */
static TfLiteStatus prepare_and_look(TfLiteContext* context, TfLiteDelegate* delegate) {
  TfLiteStatus status = prepare_xnnpack(context, delegate);
  TfLiteIntArray* plan = NULL;
  if (status != kTfLiteOk || context->GetExecutionPlan(context, &plan) != kTfLiteOk) return status;
  if (looked++) return status;
  int conversions = 0;
  current->delegated = current->left = 0;
  for (int i = 0; i < plan->size; ++i) {
    TfLiteNode* node = NULL;
    TfLiteRegistration* registration = NULL;
    if (context->GetNodeAndRegistration(context, plan->data[i], &node, &registration) != kTfLiteOk) {
      return kTfLiteError;
    }
    if (node->delegate != NULL) {
      ++current->delegated;
    } else if (registration->builtin_code == OPERATORS_DEQUANTIZE) {
      ++conversions;
    } else {
      char code[16];
      snprintf(code, sizeof(code), "%d", (int)registration->builtin_code);
      operator_say(current, code);
      ++current->left;
    }
  }
  if (current->delegated == 0) current->left += conversions;
  return status;
}
#endif

static OperatorValues values(TfLiteType type) {
  switch (type) {
    case kTfLiteFloat32:
      return kValuesFloat32;
    case kTfLiteInt8:
      return kValuesInt8;
    case kTfLiteUInt8:
      return kValuesUint8;
    case kTfLiteBool:
      return kValuesBool;
    case kTfLiteInt16:
      return kValuesInt16;
    case kTfLiteInt32:
      return kValuesInt32;
    case kTfLiteInt64:
      return kValuesInt64;
    default:
      return kValuesOther;
  }
}

static int fill(TfLiteInterpreter* interpreter, const OperatorModel* model) {
  size_t place = 0;
  for (int i = 0; i < TfLiteInterpreterGetInputTensorCount(interpreter); ++i) {
    TfLiteTensor* tensor = TfLiteInterpreterGetInputTensor(interpreter, i);
    size_t size = TfLiteTensorByteSize(tensor);
    if (size > model->inputs_size - place) return 0;
    if (TfLiteTensorCopyFromBuffer(tensor, model->inputs + place, size) != kTfLiteOk) return 0;
    place += size;
  }
  return place == model->inputs_size;
}

static int invoke_twice(TfLiteInterpreter* interpreter, const OperatorModel* model, OperatorResult* result) {
  if (TfLiteInterpreterAllocateTensors(interpreter) != kTfLiteOk) return fail(result, "(AllocateTensors)");
  for (int run = 0; run < 2; ++run) {
    if (!fill(interpreter, model)) return fail(result, "(the inputs' sizes)");
    if (TfLiteInterpreterInvoke(interpreter) != kTfLiteOk) return fail(result, "(Invoke)");
  }
  result->output_count = TfLiteInterpreterGetOutputTensorCount(interpreter);
  if (result->output_count > OPERATORS_OUTPUTS) return fail(result, "(too many outputs)");
  for (int i = 0; i < result->output_count; ++i) {
    const TfLiteTensor* tensor = TfLiteInterpreterGetOutputTensor(interpreter, i);
    result->outputs[i].type = values(TfLiteTensorType(tensor));
    result->outputs[i].data = TfLiteTensorData(tensor);
    result->outputs[i].size = TfLiteTensorByteSize(tensor);
  }
  return 0;
}

static TfLiteInterpreterOptions* plain_options(OperatorResult* result) {
  TfLiteInterpreterOptions* options = TfLiteInterpreterOptionsCreate();
  TfLiteInterpreterOptionsSetNumThreads(options, 1);
  TfLiteInterpreterOptionsSetErrorReporter(options, report, result);
  return options;
}

int operator_run(const OperatorModel* operator_model, int xnnpack, OperatorResult* result, OperatorSink sink,
                 void* context) {
  current = result;
  TfLiteModel* model = TfLiteModelCreate(operator_model->data, operator_model->size);
  if (model == NULL) return fail(result, "(TfLiteModelCreate)");
  TfLiteInterpreterOptions* options = plain_options(result);
#ifdef TFBUILD_XNNPACK
  TfLiteDelegate* delegate = NULL;
  if (xnnpack) {
    delegate = TfLiteXNNPackDelegateCreate(NULL);
    if (delegate == NULL) return fail(result, "(TfLiteXNNPackDelegateCreate)");
    looked = 0;
    prepare_xnnpack = delegate->Prepare;
    delegate->Prepare = prepare_and_look;
    TfLiteInterpreterOptionsAddDelegate(options, delegate);
  }
#else
  if (xnnpack) return fail(result, "(a build without XNNPACK)");
#endif
  TfLiteInterpreter* interpreter = TfLiteInterpreterCreate(model, options);
#ifdef TFBUILD_XNNPACK
  if (interpreter == NULL && xnnpack) {
    /* As docs/tflite.md says: there is none with the delegate, so one without it. */
    result->delegated = result->left = 0;
    TfLiteInterpreterOptionsDelete(options);
    options = plain_options(result);
    interpreter = TfLiteInterpreterCreate(model, options);
  }
#endif
  int status = interpreter == NULL ? fail(result, "(TfLiteInterpreterCreate)")
                                   : invoke_twice(interpreter, operator_model, result);
  if (status == 0) sink(result, context);
  if (interpreter != NULL) TfLiteInterpreterDelete(interpreter);
  TfLiteInterpreterOptionsDelete(options);
#ifdef TFBUILD_XNNPACK
  if (delegate != NULL) TfLiteXNNPackDelegateDelete(delegate);
#endif
  TfLiteModelDelete(model);
  return status;
}
