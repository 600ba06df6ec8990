#include "tensorflow_serving/model_servers/models.h"

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <utility>
#include <vector>

namespace serving_mini {
namespace {

namespace fs = std::filesystem;

// The versions that the configuration names, else the highest one.
std::vector<int64_t> Wanted(const tensorflow::serving::ModelConfig& config) {
  if (config.model_version_policy().has_specific()) {
    const auto& named = config.model_version_policy().specific().versions();
    return {named.begin(), named.end()};
  }
  int64_t best = -1;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(config.base_path(), error)) {
    const std::string name = entry.path().filename().string();
    if (name.empty() || !std::all_of(name.begin(), name.end(), ::isdigit)) continue;
    best = std::max<int64_t>(best, std::stoll(name));
  }
  if (best < 0) return {};
  return {best};
}

// 123 and 00000123 are the same version.
fs::path Folder(const std::string& base_path, int64_t version) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(base_path, error)) {
    const std::string name = entry.path().filename().string();
    if (!name.empty() && std::all_of(name.begin(), name.end(), ::isdigit) && std::stoll(name) == version) {
      return entry.path();
    }
  }
  return fs::path(base_path) / std::to_string(version);
}

// As upstream says it.
absl::Status Nothing(const tensorflow::serving::ModelConfig& config) {
  const std::string& path = config.base_path();
  if (!fs::exists(path)) {
    return absl::NotFoundError("Could not find base path " + path + " for servable " + config.name() +
                               " with error NOT_FOUND: " + path + " not found");
  }
  return absl::NotFoundError("No versions of servable " + config.name() + " found under base path " + path +
                             ". Did you forget to name your leaf directory as a number (eg. '/1/')?");
}

}  // namespace

absl::Status NotFound(const std::string& name, const std::string& version) {
  const std::string asked = version.empty() ? "Latest(" + name + ")" : "Specific(" + name + ", " + version + ")";
  return absl::NotFoundError("Servable not found for request: " + asked);
}

absl::Status Models::Configure(const tensorflow::serving::ModelServerConfig& config) {
  std::map<std::string, Versions> next;
  for (const auto& each : config.model_config_list().config()) {
    const std::vector<int64_t> wanted = Wanted(each);
    if (wanted.empty()) {
      return Nothing(each);
    }
    for (const int64_t version : wanted) {
      auto model = std::make_shared<Model>();
      const absl::Status loaded = model->Load(Folder(each.base_path(), version).string(), version);
      if (!loaded.ok()) return loaded;
      std::cerr << "Successfully loaded servable version {name: " << each.name() << " version: " << version << "}\n";
      next[each.name()][version] = std::move(model);
    }
  }
  const std::lock_guard<std::mutex> lock(mutex_);
  served_ = std::move(next);
  return absl::OkStatus();
}

std::shared_ptr<const Model> Models::Find(const std::string& name, int64_t version) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto versions = served_.find(name);
  if (versions == served_.end()) return nullptr;
  if (version == 0) return versions->second.rbegin()->second;
  const auto model = versions->second.find(version);
  return model == versions->second.end() ? nullptr : model->second;
}

void Models::Count(const std::string& name) {
  const std::lock_guard<std::mutex> lock(mutex_);
  ++counts_[name];
}

std::map<std::string, int64_t> Models::counts() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return counts_;
}

}  // namespace serving_mini
