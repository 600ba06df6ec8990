// Runs one model through the C++ API; see operators.h. The default resolver applies XNNPACK by itself where it was
// built in.
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>

#include "operators.h"
#include "tensorflow/lite/c/c_api.h"
#include "tensorflow/lite/interpreter.h"
#include "tensorflow/lite/kernels/register.h"
#include "tensorflow/lite/model.h"

namespace {

class Reporter : public tflite::ErrorReporter {
 public:
  explicit Reporter(OperatorResult* result) : result_(result) {}
  int Report(const char* format, va_list arguments) override {
    char words[OPERATORS_TEXT];
    std::vsnprintf(words, sizeof(words), format, arguments);
    operator_say(result_, words);
    return 0;
  }

 private:
  OperatorResult* result_;
};

int Fail(OperatorResult* result, const char* what) {
  operator_say(result, what);
  return 1;
}

void Look(const tflite::Interpreter& interpreter, OperatorResult* result) {
  int conversions = 0;
  for (int index : interpreter.execution_plan()) {
    const auto* node = interpreter.node_and_registration(index);
    if (node->first.delegate != nullptr) {
      ++result->delegated;
    } else if (node->second.builtin_code == OPERATORS_DEQUANTIZE) {
      ++conversions;
    } else {
      operator_say(result, std::to_string(node->second.builtin_code).c_str());
      ++result->left;
    }
  }
  if (result->delegated == 0) result->left += conversions;
}

bool Fill(const OperatorModel& model, tflite::Interpreter* interpreter) {
  size_t place = 0;
  for (size_t i = 0; i < interpreter->inputs().size(); ++i) {
    TfLiteTensor* tensor = interpreter->input_tensor(i);
    if (tensor->bytes > model.inputs_size - place) return false;
    std::memcpy(tensor->data.raw, model.inputs + place, tensor->bytes);
    place += tensor->bytes;
  }
  return place == model.inputs_size;
}

OperatorValues Values(TfLiteType type) {
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

}  // namespace

const char* operator_version(void) { return TfLiteVersion(); }

int operator_run(const OperatorModel* operator_model, int xnnpack, OperatorResult* result, OperatorSink sink,
                 void* context) {
  Reporter reporter(result);
  auto model = tflite::FlatBufferModel::BuildFromBuffer(static_cast<const char*>(operator_model->data),
                                                        operator_model->size, &reporter);
  if (model == nullptr) return Fail(result, "(BuildFromBuffer)");
  const tflite::ops::builtin::BuiltinOpResolver with_delegates;
  const tflite::ops::builtin::BuiltinOpResolverWithoutDefaultDelegates without;
  const tflite::OpResolver& resolver = xnnpack ? static_cast<const tflite::OpResolver&>(with_delegates) : without;
  std::unique_ptr<tflite::Interpreter> interpreter;
  if (tflite::InterpreterBuilder(*model, resolver)(&interpreter, 1) != kTfLiteOk) {
    return Fail(result, "(InterpreterBuilder)");
  }
  if (interpreter->AllocateTensors() != kTfLiteOk) return Fail(result, "(AllocateTensors)");
  Look(*interpreter, result);
  for (int run = 0; run < 2; ++run) {
    if (!Fill(*operator_model, interpreter.get())) return Fail(result, "(the inputs' sizes)");
    if (interpreter->Invoke() != kTfLiteOk) return Fail(result, "(Invoke)");
  }
  result->output_count = static_cast<int>(interpreter->outputs().size());
  if (result->output_count > OPERATORS_OUTPUTS) return Fail(result, "(too many outputs)");
  for (int i = 0; i < result->output_count; ++i) {
    const TfLiteTensor* tensor = interpreter->output_tensor(i);
    result->outputs[i] = {Values(tensor->type), tensor->data.raw, tensor->bytes};
  }
  sink(result, context);
  return 0;
}
