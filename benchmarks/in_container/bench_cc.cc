// Times inferences through the C++ API of libtensorflowlite.so, with the default op resolver.
//
//   bench-cc MODEL THREADS
#include <memory>

#include "harness.h"
#include "tensorflow/lite/interpreter.h"
#include "tensorflow/lite/interpreter_builder.h"
#include "tensorflow/lite/kernels/register.h"
#include "tensorflow/lite/model.h"

namespace {

int Invoke(void* state) { return static_cast<tflite::Interpreter*>(state)->Invoke() != kTfLiteOk; }

void Print(void* state) {
  const TfLiteTensor* output = static_cast<tflite::Interpreter*>(state)->output_tensor(0);
  harness_print(output->data.raw, output->bytes, output->type == kTfLiteFloat32);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  auto model = tflite::FlatBufferModel::BuildFromFile(argv[1]);
  if (model == nullptr) return 1;
  tflite::ops::builtin::BuiltinOpResolver resolver;
  tflite::InterpreterBuilder builder(*model, resolver);
  // Before the interpreter is made: the default delegate gets its threads then.
  if (builder.SetNumThreads(std::atoi(argv[2])) != kTfLiteOk) return 1;
  std::unique_ptr<tflite::Interpreter> interpreter;
  if (builder(&interpreter) != kTfLiteOk || interpreter->AllocateTensors() != kTfLiteOk) return 1;
  TfLiteTensor* input = interpreter->input_tensor(0);
  harness_fill(input->data.raw, input->bytes, input->type == kTfLiteFloat32);
  return harness_serve(Invoke, Print, interpreter.get());
}
