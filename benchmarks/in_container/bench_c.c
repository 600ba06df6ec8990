/* Times inferences through the C API of libtensorflowlite_c.so, with the XNNPACK delegate that it exports.
 *
 *   bench-c MODEL THREADS */
#include "harness.h"
#include "tensorflow/lite/c/c_api.h"
#include "tensorflow/lite/delegates/xnnpack/xnnpack_delegate.h"

static int invoke(void* state) { return TfLiteInterpreterInvoke((TfLiteInterpreter*)state) != kTfLiteOk; }

static void print(void* state) {
  const TfLiteTensor* output = TfLiteInterpreterGetOutputTensor((TfLiteInterpreter*)state, 0);
  harness_print(TfLiteTensorData(output), TfLiteTensorByteSize(output), TfLiteTensorType(output) == kTfLiteFloat32);
}

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  int threads = atoi(argv[2]);
  TfLiteModel* model = TfLiteModelCreateFromFile(argv[1]);
  if (model == NULL) return 1;
  TfLiteXNNPackDelegateOptions xnnpack = TfLiteXNNPackDelegateOptionsDefault();
  xnnpack.num_threads = threads;
  TfLiteDelegate* delegate = TfLiteXNNPackDelegateCreate(&xnnpack);
  if (delegate == NULL) return 1;
  TfLiteInterpreterOptions* options = TfLiteInterpreterOptionsCreate();
  TfLiteInterpreterOptionsSetNumThreads(options, threads);
  TfLiteInterpreterOptionsAddDelegate(options, delegate);
  TfLiteInterpreter* interpreter = TfLiteInterpreterCreate(model, options);
  if (interpreter == NULL || TfLiteInterpreterAllocateTensors(interpreter) != kTfLiteOk) return 1;
  TfLiteTensor* input = TfLiteInterpreterGetInputTensor(interpreter, 0);
  harness_fill(TfLiteTensorData(input), TfLiteTensorByteSize(input), TfLiteTensorType(input) == kTfLiteFloat32);

  int status = harness_serve(invoke, print, interpreter);

  TfLiteInterpreterDelete(interpreter);
  TfLiteInterpreterOptionsDelete(options);
  TfLiteXNNPackDelegateDelete(delegate);
  TfLiteModelDelete(model);
  return status;
}
