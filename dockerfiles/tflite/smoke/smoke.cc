// Runs one model through the C++ API of libtensorflowlite.so with the default op resolver, which applies
// XNNPACK by itself where it was built in, and tells what happened; the same output as smoke.c.
//
//   smoke-cc MODEL VALUE...
//   smoke-cc MODEL --zeros
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "tensorflow/lite/c/c_api.h"
#include "tensorflow/lite/interpreter.h"
#include "tensorflow/lite/kernels/register.h"
#include "tensorflow/lite/model.h"

namespace {

int Fail(const char* what) {
  std::fprintf(stderr, "smoke-cc: %s failed\n", what);
  return 1;
}

void TellDelegation(const tflite::Interpreter& interpreter) {
  int delegated = 0;
  for (int index : interpreter.execution_plan()) {
    const auto* node = interpreter.node_and_registration(index);
    if (node->first.delegate != nullptr) {
      ++delegated;
    } else {
      std::printf("left %d\n", static_cast<int>(node->second.builtin_code));
    }
  }
  std::printf("delegated %d\n", delegated);
}

size_t Elements(const TfLiteTensor& tensor) {
  size_t count = 1;
  for (int i = 0; i < tensor.dims->size; ++i) count *= tensor.dims->data[i];
  return count;
}

bool Fill(tflite::Interpreter& interpreter, const std::vector<double>& values) {
  TfLiteTensor* tensor = interpreter.input_tensor(0);
  for (size_t i = 0; i < values.size(); ++i) {
    switch (tensor->type) {
      case kTfLiteFloat32:
        tensor->data.f[i] = static_cast<float>(values[i]);
        break;
      case kTfLiteInt8:
      case kTfLiteUInt8:
        tensor->data.uint8[i] = static_cast<uint8_t>(static_cast<int>(values[i]));
        break;
      default:
        return false;
    }
  }
  return true;
}

bool ComputeZeros(tflite::Interpreter& interpreter) {
  bool strings = false;
  for (int index : interpreter.inputs()) {
    TfLiteTensor* tensor = interpreter.tensor(index);
    if (tensor->type == kTfLiteString) {
      strings = true;
    } else if (tensor->bytes > 0) {
      std::memset(tensor->data.raw, 0, tensor->bytes);
    }
  }
  if (!strings && interpreter.Invoke() != kTfLiteOk) return false;
  std::printf("output %zu\n", interpreter.outputs().size());
  return true;
}

bool PrintOutput(const tflite::Interpreter& interpreter) {
  const TfLiteTensor* tensor = interpreter.output_tensor(0);
  std::printf("output");
  switch (tensor->type) {
    case kTfLiteFloat32:
      for (size_t i = 0; i < tensor->bytes / sizeof(float); ++i) std::printf(" %g", tensor->data.f[i]);
      break;
    case kTfLiteInt8:
      for (size_t i = 0; i < tensor->bytes; ++i) std::printf(" %d", tensor->data.int8[i]);
      break;
    case kTfLiteUInt8:
      for (size_t i = 0; i < tensor->bytes; ++i) std::printf(" %d", tensor->data.uint8[i]);
      break;
    default:
      return false;
  }
  std::printf("\n");
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  const bool zeros = argc == 3 && std::strcmp(argv[2], "--zeros") == 0;
  std::vector<double> values;
  for (int i = 2; i < argc; ++i) values.push_back(std::atof(argv[i]));
  std::printf("version %s\n", TfLiteVersion());

  auto model = tflite::FlatBufferModel::BuildFromFile(argv[1]);
  if (model == nullptr) return Fail("BuildFromFile");
  tflite::ops::builtin::BuiltinOpResolver resolver;
  std::unique_ptr<tflite::Interpreter> interpreter;
  if (tflite::InterpreterBuilder(*model, resolver)(&interpreter) != kTfLiteOk) return Fail("InterpreterBuilder");
  interpreter->SetNumThreads(1);
  if (zeros) {
    if (interpreter->AllocateTensors() != kTfLiteOk) return Fail("AllocateTensors");
    TellDelegation(*interpreter);
    return ComputeZeros(*interpreter) ? 0 : Fail("Invoke");
  }
  // A model that takes any shape gets a vector of the values.
  if (Elements(*interpreter->input_tensor(0)) != values.size() &&
      interpreter->ResizeInputTensor(interpreter->inputs()[0], {static_cast<int>(values.size())}) != kTfLiteOk) {
    return Fail("ResizeInputTensor");
  }
  if (interpreter->AllocateTensors() != kTfLiteOk) return Fail("AllocateTensors");
  TellDelegation(*interpreter);
  if (Elements(*interpreter->input_tensor(0)) != values.size()) return Fail("the number of values");
  if (!Fill(*interpreter, values)) return Fail("filling the input");
  if (interpreter->Invoke() != kTfLiteOk) return Fail("Invoke");
  if (!PrintOutput(*interpreter)) return Fail("reading the output");
  return 0;
}
