#ifndef TENSORFLOW_SERVING_MODEL_SERVERS_MODEL_H_
#define TENSORFLOW_SERVING_MODEL_SERVERS_MODEL_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "google/protobuf/map.h"
#include "tensorflow/cc/saved_model/loader.h"
#include "tensorflow/core/framework/tensor.pb.h"
#include "tensorflow/core/protobuf/meta_graph.pb.h"

namespace serving_mini {

using Tensors = google::protobuf::Map<std::string, tensorflow::TensorProto>;

// One version of a SavedModel, computed by TensorFlow through its signature serving_default.
class Model {
 public:
  // Called once, before anything else.
  absl::Status Load(const std::string& folder, int64_t version);

  absl::Status Predict(const Tensors& inputs, Tensors* outputs) const;

  int64_t version() const { return version_; }
  const tensorflow::SignatureDef& signature() const { return signature_; }

 private:
  int64_t version_ = 0;
  tensorflow::SavedModelBundle bundle_;
  tensorflow::SignatureDef signature_;
};

}  // namespace serving_mini

#endif  // TENSORFLOW_SERVING_MODEL_SERVERS_MODEL_H_
