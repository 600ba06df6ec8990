#include "tensorflow_serving/model_servers/grpc_server.h"

#include <grpcpp/grpcpp.h>

#include <cstring>
#include <iostream>
#include <memory>
#include <string>

#include "tensorflow_serving/apis/prediction_service.grpc.pb.h"

namespace serving_mini {
namespace {

using tensorflow::TensorProto;
using tensorflow::serving::PredictRequest;
using tensorflow::serving::PredictResponse;

std::vector<float> Values(const TensorProto& tensor) {
  if (tensor.tensor_content().empty()) return {tensor.float_val().begin(), tensor.float_val().end()};
  std::vector<float> values(tensor.tensor_content().size() / sizeof(float));
  std::memcpy(values.data(), tensor.tensor_content().data(), values.size() * sizeof(float));
  return values;
}

class PredictionService final : public tensorflow::serving::PredictionService::Service {
 public:
  explicit PredictionService(const Model& model) : model_(model) {}

  grpc::Status Predict(grpc::ServerContext*, const PredictRequest* request, PredictResponse* response) override {
    if (request->model_spec().name() != model_.name()) {
      return {grpc::StatusCode::NOT_FOUND, "Servable not found for request: Latest(" + request->model_spec().name() + ")"};
    }
    const auto input = request->inputs().find("x");
    if (input == request->inputs().end() || input->second.dtype() != tensorflow::DT_FLOAT) {
      return {grpc::StatusCode::INVALID_ARGUMENT, "the input x of type float is missing"};
    }
    response->mutable_model_spec()->set_name(model_.name());
    response->mutable_model_spec()->mutable_version()->set_value(model_.version());
    TensorProto& output = (*response->mutable_outputs())["y"];
    output.set_dtype(tensorflow::DT_FLOAT);
    *output.mutable_tensor_shape() = input->second.tensor_shape();
    for (const float y : model_.Predict(Values(input->second))) output.add_float_val(y);
    return grpc::Status::OK;
  }

 private:
  const Model& model_;
};

}  // namespace

void RunGrpcServer(int port, const Model& model) {
  PredictionService service(model);
  grpc::ServerBuilder builder;
  builder.AddListeningPort("0.0.0.0:" + std::to_string(port), grpc::InsecureServerCredentials());
  builder.RegisterService(&service);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr) return;
  std::cerr << "Running gRPC ModelServer at 0.0.0.0:" << port << " ...\n";
  server->Wait();
}

}  // namespace serving_mini
