#include "tensorflow_serving/model_servers/rest.h"

#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>

#include <memory>
#include <regex>
#include <sstream>
#include <vector>

#include "absl/strings/escaping.h"
#include "tensorflow/core/framework/tensor.h"

namespace serving_mini {
namespace {

using google::protobuf::ListValue;
using google::protobuf::Struct;
using google::protobuf::Value;
using tensorflow::TensorProto;

Response Failure(const absl::Status& status) {
  const int code = status.code() == absl::StatusCode::kNotFound ? 404 : 400;
  Value text;
  text.set_string_value(std::string(status.message()));
  std::string quoted;
  if (!google::protobuf::util::MessageToJsonString(text, &quoted).ok()) quoted = "\"\"";
  return Response{code, "{\n    \"error\": " + quoted + "\n}\n"};
}

// Lists in lists become a tensor: its shape is that of the first ones.
bool Append(const Value& value, size_t depth, TensorProto* tensor) {
  if (value.has_list_value()) {
    const auto& values = value.list_value().values();
    auto* shape = tensor->mutable_tensor_shape();
    if (static_cast<size_t>(shape->dim_size()) == depth) shape->add_dim()->set_size(values.size());
    if (shape->dim(static_cast<int>(depth)).size() != values.size()) return false;
    for (const Value& each : values) {
      if (!Append(each, depth + 1, tensor)) return false;
    }
    return true;
  }
  std::string bytes = value.string_value();
  if (value.has_struct_value()) {
    const auto coded = value.struct_value().fields().find("b64");
    if (coded == value.struct_value().fields().end()) return false;
    if (!absl::Base64Unescape(coded->second.string_value(), &bytes)) return false;
  }
  switch (tensor->dtype()) {
    case tensorflow::DT_FLOAT:
      tensor->add_float_val(static_cast<float>(value.number_value()));
      return value.has_number_value();
    case tensorflow::DT_INT64:
      tensor->add_int64_val(static_cast<int64_t>(value.number_value()));
      return value.has_number_value();
    case tensorflow::DT_STRING: tensor->add_string_val(bytes); return true;
    default: return false;
  }
}

void SetValue(const tensorflow::Tensor& tensor, int64_t at, Value* value) {
  if (tensor.dtype() == tensorflow::DT_FLOAT) value->set_number_value(tensor.flat<float>()(at));
  if (tensor.dtype() == tensorflow::DT_INT64) value->set_number_value(static_cast<double>(tensor.flat<int64_t>()(at)));
  if (tensor.dtype() == tensorflow::DT_STRING) {
    value->set_string_value(std::string(tensor.flat<tensorflow::tstring>()(at)));
  }
}

void Nest(const tensorflow::Tensor& tensor, int dimension, int64_t* at, Value* value) {
  if (dimension == tensor.dims()) return SetValue(tensor, (*at)++, value);
  ListValue* list = value->mutable_list_value();
  for (int64_t i = 0; i < tensor.dim_size(dimension); ++i) Nest(tensor, dimension + 1, at, list->add_values());
}

Value Nested(const TensorProto& proto) {
  tensorflow::Tensor tensor;
  Value value;
  int64_t at = 0;
  if (tensor.FromProto(proto)) Nest(tensor, 0, &at, &value);
  return value;
}

Response Predict(const Model& model, const std::string& body) {
  Struct asked, answer;
  if (!google::protobuf::util::JsonStringToMessage(body, &asked).ok()) {
    return Failure(absl::InvalidArgumentError("JSON Parse error"));
  }
  const auto instances = asked.fields().find("instances"), columns = asked.fields().find("inputs");
  const bool by_row = instances != asked.fields().end();
  if (!by_row && columns == asked.fields().end()) {
    return Failure(absl::InvalidArgumentError("Missing 'inputs' or 'instances' key"));
  }
  Tensors inputs, outputs;
  const auto& wanted = *model.signature().inputs().begin();
  const Value* given = by_row ? &instances->second : &columns->second;
  // Columns may have names: {"inputs": {"x": ...}}.
  const auto named = given->struct_value().fields().find(wanted.first);
  if (named != given->struct_value().fields().end()) given = &named->second;
  TensorProto& tensor = inputs[wanted.first];
  tensor.set_dtype(wanted.second.dtype());
  if (model.signature().inputs().size() != 1 || !Append(*given, 0, &tensor)) {
    return Failure(absl::InvalidArgumentError("not a tensor of the one input's type"));
  }
  const absl::Status predicted = model.Predict(inputs, &outputs);
  if (!predicted.ok()) return Failure(predicted);
  Value& value = (*answer.mutable_fields())[by_row ? "predictions" : "outputs"];
  if (outputs.size() == 1) {
    value = Nested(outputs.begin()->second);
  } else {
    for (const auto& each : outputs) (*value.mutable_struct_value()->mutable_fields())[each.first] = Nested(each.second);
  }
  Response response;
  if (!google::protobuf::util::MessageToJsonString(answer, &response.body).ok()) response.status = 500;
  return response;
}

Response Metadata(const std::string& name, const Model& model) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  std::string signature;
  if (!google::protobuf::util::MessageToJsonString(model.signature(), &signature, options).ok()) return Response{500};
  return Response{200, "{\"model_spec\":{\"name\": \"" + name + "\", \"version\": \"" + std::to_string(model.version()) +
                           "\"},\n\"metadata\": {\"signature_def\": {\"signature_def\": {\"serving_default\": " +
                           signature + "}}}}"};
}

Response Status(const Model& model) {
  std::ostringstream out;
  out << "{\n \"model_version_status\": [\n  {\n   \"version\": \"" << model.version()
      << "\",\n   \"state\": \"AVAILABLE\",\n   \"status\": {\n    \"error_code\": \"OK\",\n"
      << "    \"error_message\": \"\"\n   }\n  }\n ]\n}\n";
  return Response{200, out.str()};
}

absl::Status NoStatus(const std::string& name, const std::string& version) {
  if (version.empty()) return absl::NotFoundError("Could not find any versions of model " + name);
  return absl::NotFoundError("Could not find version " + version + " of model " + name);
}

Response Metrics(const Models& models) {
  std::ostringstream out;
  out << "# TYPE :tensorflow:serving:request_count counter\n";
  for (const auto& each : models.counts()) {
    out << ":tensorflow:serving:request_count{model_name=\"" << each.first << "\",status=\"OK\"} " << each.second << "\n";
  }
  return Response{200, out.str(), "text/plain"};
}

}  // namespace

Response Answer(const Request& request, Models* models, const std::string& metrics_path) {
  static const std::regex path("/v1/models/([^/:]+)(?:/versions/(\\d+))?(/metadata|:predict)?");
  if (!metrics_path.empty() && request.path == metrics_path) return Metrics(*models);
  if (request.path.rfind("/v1/", 0) != 0) return Response{404, "<H1>Not Found</H1>\n", "text/html"};
  std::smatch found;
  const bool predicts = request.method == "POST";
  if (!std::regex_match(request.path, found, path) || (found[3] == ":predict") != predicts ||
      (!predicts && request.method != "GET")) {
    return Failure(absl::InvalidArgumentError("Malformed request: " + request.method + " " + request.path));
  }
  const std::string name = found[1], version = found[2];
  const std::shared_ptr<const Model> model = models->Find(name, version.empty() ? 0 : std::stoll(version));
  if (model == nullptr) return Failure(found[3].matched ? NotFound(name, version) : NoStatus(name, version));
  if (found[3] == "/metadata") return Metadata(name, *model);
  if (!predicts) return Status(*model);
  const Response response = Predict(*model, request.body);
  if (response.status == 200) models->Count(name);
  return response;
}

}  // namespace serving_mini
