#include "tensorflow_serving/model_servers/model.h"

#include <utility>
#include <vector>

#include "tensorflow/core/framework/tensor.h"
#include "tensorflow/core/public/session.h"
#include "tensorflow/core/public/session_options.h"

namespace serving_mini {

absl::Status Model::Load(const std::string& folder, int64_t version) {
  version_ = version;
  const auto loaded = tensorflow::LoadSavedModel(tensorflow::SessionOptions(), tensorflow::RunOptions(), folder,
                                                 {"serve"}, &bundle_);
  if (!loaded.ok()) return loaded;
  const auto& signatures = bundle_.meta_graph_def.signature_def();
  const auto signature = signatures.find("serving_default");
  if (signature == signatures.end()) return absl::InvalidArgumentError("there is no signature serving_default");
  signature_ = signature->second;
  return absl::OkStatus();
}

absl::Status Model::Predict(const Tensors& inputs, Tensors* outputs) const {
  std::vector<std::pair<std::string, tensorflow::Tensor>> feeds;
  for (const auto& input : signature_.inputs()) {
    const auto given = inputs.find(input.first);
    tensorflow::Tensor tensor;
    if (given == inputs.end() || given->second.dtype() != input.second.dtype() || !tensor.FromProto(given->second)) {
      return absl::InvalidArgumentError("input tensor alias not found, or of another type: " + input.first);
    }
    feeds.emplace_back(input.second.name(), std::move(tensor));
  }
  std::vector<std::string> names, fetches;
  for (const auto& output : signature_.outputs()) {
    names.push_back(output.first);
    fetches.push_back(output.second.name());
  }
  std::vector<tensorflow::Tensor> results;
  const auto ran = bundle_.session->Run(feeds, fetches, {}, &results);
  if (!ran.ok()) return ran;
  for (size_t i = 0; i < names.size(); ++i) results[i].AsProtoField(&(*outputs)[names[i]]);
  return absl::OkStatus();
}

}  // namespace serving_mini
