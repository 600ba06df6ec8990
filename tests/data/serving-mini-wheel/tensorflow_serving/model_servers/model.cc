#include "tensorflow_serving/model_servers/model.h"

#include <algorithm>
#include <filesystem>
#include <iostream>

#include "tensorflow/core/framework/tensor.h"
#include "tensorflow/core/public/session.h"
#include "tensorflow/core/public/session_options.h"

namespace serving_mini {
namespace {

namespace fs = std::filesystem;

int64_t HighestVersion(const fs::path& base, fs::path* folder) {
  int64_t best = -1;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(base, error)) {
    const std::string name = entry.path().filename().string();
    if (name.empty() || !std::all_of(name.begin(), name.end(), ::isdigit)) continue;
    const int64_t version = std::stoll(name);
    if (version > best) {
      best = version;
      *folder = entry.path();
    }
  }
  return best;
}

}  // namespace

std::string Model::Load(const std::string& name, const std::string& base_path) {
  name_ = name;
  fs::path folder;
  version_ = HighestVersion(base_path, &folder);
  if (version_ < 0) return "No versions of servable " + name + " found under base path " + base_path;
  const auto loaded = tensorflow::LoadSavedModel(tensorflow::SessionOptions(), tensorflow::RunOptions(),
                                                 folder.string(), {"serve"}, &bundle_);
  if (!loaded.ok()) return std::string(loaded.ToString());
  const auto& signatures = bundle_.meta_graph_def.signature_def();
  const auto signature = signatures.find("serving_default");
  if (signature == signatures.end()) return "there is no signature serving_default";
  const auto x = signature->second.inputs().find("x"), y = signature->second.outputs().find("y");
  if (x == signature->second.inputs().end() || y == signature->second.outputs().end()) return "no x, or no y";
  input_ = x->second.name();
  output_ = y->second.name();
  return "";
}

std::vector<float> Model::Predict(const std::vector<float>& x) const {
  ++requests_;
  tensorflow::Tensor input(tensorflow::DT_FLOAT, {static_cast<int64_t>(x.size())});
  std::copy(x.begin(), x.end(), input.flat<float>().data());
  std::vector<tensorflow::Tensor> outputs;
  const auto ran = bundle_.session->Run({{input_, input}}, {output_}, {}, &outputs);
  if (!ran.ok()) {
    std::cerr << ran.ToString() << "\n";
    return {};
  }
  const auto values = outputs[0].flat<float>();
  return {values.data(), values.data() + values.size()};
}

}  // namespace serving_mini
