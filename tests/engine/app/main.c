/* A user's C program: one model through the C API with XNNPACK, linked against the dist folder alone. */
#include <stdio.h>

#include "tensorflow/lite/c/c_api.h"
#include "tensorflow/lite/delegates/xnnpack/xnnpack_delegate.h"

int main(int argc, char** argv) {
  TfLiteModel* model = TfLiteModelCreateFromFile(argc > 1 ? argv[1] : "/app/add.bin");
  TfLiteInterpreterOptions* options = TfLiteInterpreterOptionsCreate();
  TfLiteDelegate* xnnpack = TfLiteXNNPackDelegateCreate(NULL);
  if (xnnpack != NULL) TfLiteInterpreterOptionsAddDelegate(options, xnnpack);
  TfLiteInterpreter* interpreter = model ? TfLiteInterpreterCreate(model, options) : NULL;
  if (model && interpreter == NULL) { /* the graph is not for the delegate; stderr says why */
    TfLiteInterpreterOptionsDelete(options);
    options = TfLiteInterpreterOptionsCreate();
    interpreter = TfLiteInterpreterCreate(model, options);
  }
  const int shape[] = {2};
  const float input[] = {1, 3};
  float output[2];
  if (interpreter == NULL || TfLiteInterpreterResizeInputTensor(interpreter, 0, shape, 1) != kTfLiteOk ||
      TfLiteInterpreterAllocateTensors(interpreter) != kTfLiteOk ||
      TfLiteTensorCopyFromBuffer(TfLiteInterpreterGetInputTensor(interpreter, 0), input, sizeof input) != kTfLiteOk ||
      TfLiteInterpreterInvoke(interpreter) != kTfLiteOk ||
      TfLiteTensorCopyToBuffer(TfLiteInterpreterGetOutputTensor(interpreter, 0), output, sizeof output) != kTfLiteOk) {
    return 1;
  }
  printf("c %s: %g %g\n", TfLiteVersion(), output[0], output[1]);
  TfLiteInterpreterDelete(interpreter);
  TfLiteInterpreterOptionsDelete(options);
  TfLiteXNNPackDelegateDelete(xnnpack);
  TfLiteModelDelete(model);
  return 0;
}
