#ifndef TENSORFLOW_SERVING_MODEL_SERVERS_MODEL_H_
#define TENSORFLOW_SERVING_MODEL_SERVERS_MODEL_H_

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "tensorflow/cc/saved_model/loader.h"

namespace serving_mini {

// A SavedModel whose signature serving_default gives y for x, computed by TensorFlow.
class Model {
 public:
  // Loads the highest numbered version below `base_path`. Empty on success, else what is wrong.
  std::string Load(const std::string& name, const std::string& base_path);

  // Empty where TensorFlow fails.
  std::vector<float> Predict(const std::vector<float>& x) const;

  const std::string& name() const { return name_; }
  int64_t version() const { return version_; }
  int64_t requests() const { return requests_; }

 private:
  std::string name_;
  int64_t version_ = 0;
  tensorflow::SavedModelBundle bundle_;
  std::string input_, output_;
  mutable std::atomic<int64_t> requests_{0};
};

}  // namespace serving_mini

#endif  // TENSORFLOW_SERVING_MODEL_SERVERS_MODEL_H_
