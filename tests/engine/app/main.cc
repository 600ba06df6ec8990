// A user's C++ program: one model through the C++ API, linked against the dist folder alone.
#include <cstdio>
#include <memory>

#include "tensorflow/lite/interpreter.h"
#include "tensorflow/lite/kernels/register.h"
#include "tensorflow/lite/model.h"
#include "tensorflow/lite/optional_debug_tools.h"
#include "tensorflow/lite/signature_runner.h"

int main(int argc, char** argv) {
  auto model = tflite::FlatBufferModel::BuildFromFile(argc > 1 ? argv[1] : "/app/add.bin");
  tflite::ops::builtin::BuiltinOpResolver resolver;
  std::unique_ptr<tflite::Interpreter> interpreter;
  if (!model || tflite::InterpreterBuilder(*model, resolver)(&interpreter) != kTfLiteOk) return 1;
  if (interpreter->ResizeInputTensor(interpreter->inputs()[0], {2}) != kTfLiteOk) return 1;
  if (interpreter->AllocateTensors() != kTfLiteOk) return 1;
  interpreter->typed_input_tensor<float>(0)[0] = 1;
  interpreter->typed_input_tensor<float>(0)[1] = 3;
  if (interpreter->Invoke() != kTfLiteOk) return 1;
  const float* output = interpreter->typed_output_tensor<float>(0);
  std::printf("c++: %g %g\n", output[0], output[1]);
  return 0;
}
