#include "tensorflow_serving/model_servers/model.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "tensorflow_serving/config/saved_model.pb.h"

namespace serving_mini {
namespace {

namespace fs = std::filesystem;

std::string ReadFile(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
}

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

bool ServesX(const tensorflow::serving::mini::SavedModel& saved) {
  for (const auto& graph : saved.meta_graphs()) {
    const auto& tags = graph.meta_info_def().tags();
    if (std::find(tags.begin(), tags.end(), "serve") == tags.end()) continue;
    const auto signature = graph.signature_def().find("serving_default");
    if (signature == graph.signature_def().end()) continue;
    if (signature->second.inputs().contains("x") && signature->second.outputs().contains("y")) return true;
  }
  return false;
}

}  // namespace

std::string WaitsFor(const std::string& name, const std::string& base_path) {
  fs::path folder;
  if (!fs::exists(base_path)) {
    return "Could not find base path " + base_path + " for servable " + name + " with error NOT_FOUND: " + base_path +
           " not found";
  }
  if (HighestVersion(base_path, &folder) >= 0) return "";
  return "No versions of servable " + name + " found under base path " + base_path +
         ". Did you forget to name your leaf directory as a number (eg. '/1/')?";
}

std::string Model::Load(const std::string& name, const std::string& base_path) {
  name_ = name;
  fs::path folder;
  version_ = HighestVersion(base_path, &folder);
  if (version_ < 0) return "No versions of servable " + name + " found under base path " + base_path;
  tensorflow::serving::mini::SavedModel saved;
  const std::string bytes = ReadFile(folder / "saved_model.pb");
  if (bytes.empty() || !saved.ParseFromString(bytes)) return "no readable saved_model.pb in " + folder.string();
  if (!ServesX(saved)) return "saved_model.pb has no signature serving_default from x to y with the tag serve";
  const std::string values = ReadFile(folder / "variables" / "variables.data-00000-of-00001");
  if (values.size() < 2 * sizeof(float)) return "the variables a and b are missing in " + folder.string();
  std::memcpy(&a_, values.data(), sizeof(float));
  std::memcpy(&b_, values.data() + sizeof(float), sizeof(float));
  return "";
}

std::vector<float> Model::Predict(const std::vector<float>& x) const {
  ++requests_;
  std::vector<float> y;
  y.reserve(x.size());
  for (const float value : x) y.push_back(a_ * value + b_);
  return y;
}

}  // namespace serving_mini
