#ifndef TENSORFLOW_SERVING_MODEL_SERVERS_MODEL_H_
#define TENSORFLOW_SERVING_MODEL_SERVERS_MODEL_H_

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

namespace serving_mini {

// A SavedModel with the scalar variables a and b: y = a * x + b.
class Model {
 public:
  // Loads the highest numbered version below `base_path`. Empty on success, else what is wrong.
  std::string Load(const std::string& name, const std::string& base_path);

  std::vector<float> Predict(const std::vector<float>& x) const;

  const std::string& name() const { return name_; }
  int64_t version() const { return version_; }
  int64_t requests() const { return requests_; }

 private:
  std::string name_;
  int64_t version_ = 0;
  float a_ = 0;
  float b_ = 0;
  mutable std::atomic<int64_t> requests_{0};
};

// What upstream says while there is no version below `base_path`; empty where there is one.
std::string WaitsFor(const std::string& name, const std::string& base_path);

}  // namespace serving_mini

#endif  // TENSORFLOW_SERVING_MODEL_SERVERS_MODEL_H_
