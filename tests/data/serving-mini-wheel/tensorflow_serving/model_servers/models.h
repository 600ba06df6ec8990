#ifndef TENSORFLOW_SERVING_MODEL_SERVERS_MODELS_H_
#define TENSORFLOW_SERVING_MODEL_SERVERS_MODELS_H_

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "absl/status/status.h"
#include "tensorflow_serving/config/model_server_config.pb.h"
#include "tensorflow_serving/model_servers/model.h"

namespace serving_mini {

// The models that are served. All functions may be called from any thread.
class Models {
 public:
  // Takes the place of what was served, once everything new is loaded; where something fails, all stays as it is.
  absl::Status Configure(const tensorflow::serving::ModelServerConfig& config);

  // `version` 0 is the highest one that is served; nullptr where there is none.
  std::shared_ptr<const Model> Find(const std::string& name, int64_t version) const;

  void Count(const std::string& name);
  // Answered requests by name of the model.
  std::map<std::string, int64_t> counts() const;

 private:
  using Versions = std::map<int64_t, std::shared_ptr<const Model>>;

  mutable std::mutex mutex_;
  std::map<std::string, Versions> served_;
  std::map<std::string, int64_t> counts_;
};

// As upstream says it; `version` is empty where the newest was asked for.
absl::Status NotFound(const std::string& name, const std::string& version);

}  // namespace serving_mini

#endif  // TENSORFLOW_SERVING_MODEL_SERVERS_MODELS_H_
