#include "tensorflow_serving/model_servers/grpc_server.h"

#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>

#include <iostream>
#include <memory>
#include <string>

#include "tensorflow_serving/apis/model_service.grpc.pb.h"
#include "tensorflow_serving/apis/prediction_service.grpc.pb.h"

namespace serving_mini {
namespace {

using tensorflow::serving::PredictRequest;
using tensorflow::serving::PredictResponse;
using tensorflow::serving::ReloadConfigRequest;
using tensorflow::serving::ReloadConfigResponse;

grpc::Status StatusOf(const absl::Status& status) {
  return {static_cast<grpc::StatusCode>(status.code()), std::string(status.message())};
}

class PredictionService final : public tensorflow::serving::PredictionService::Service {
 public:
  explicit PredictionService(Models* models) : models_(models) {}

  grpc::Status Predict(grpc::ServerContext*, const PredictRequest* request, PredictResponse* response) override {
    const std::string& name = request->model_spec().name();
    const auto& spec = request->model_spec();
    const std::shared_ptr<const Model> model = models_->Find(name, spec.version().value());
    if (model == nullptr) {
      return StatusOf(NotFound(name, spec.has_version() ? std::to_string(spec.version().value()) : ""));
    }
    const absl::Status predicted = model->Predict(request->inputs(), response->mutable_outputs());
    if (!predicted.ok()) return StatusOf(predicted);
    models_->Count(name);
    response->mutable_model_spec()->set_name(name);
    response->mutable_model_spec()->mutable_version()->set_value(model->version());
    return grpc::Status::OK;
  }

 private:
  Models* const models_;
};

class ModelService final : public tensorflow::serving::ModelService::Service {
 public:
  explicit ModelService(Models* models) : models_(models) {}

  grpc::Status HandleReloadConfigRequest(grpc::ServerContext*, const ReloadConfigRequest* request,
                                         ReloadConfigResponse* response) override {
    const absl::Status configured = models_->Configure(request->config());
    response->mutable_status()->set_error_code(static_cast<int>(configured.code()));
    response->mutable_status()->set_error_message(std::string(configured.message()));
    return StatusOf(configured);
  }

 private:
  Models* const models_;
};

std::shared_ptr<grpc::ServerCredentials> Credentials(const tensorflow::serving::SSLConfig& config) {
  if (config.server_key().empty()) return grpc::InsecureServerCredentials();
  grpc::SslServerCredentialsOptions options;
  options.pem_key_cert_pairs.push_back({config.server_key(), config.server_cert()});
  return grpc::SslServerCredentials(options);
}

}  // namespace

void RunGrpcServer(const GrpcOptions& options, Models* models) {
  PredictionService predictions(models);
  ModelService management(models);
  grpc::ServerBuilder builder;
  builder.AddListeningPort("0.0.0.0:" + std::to_string(options.port), Credentials(options.ssl));
  builder.RegisterService(&predictions);
  builder.RegisterService(&management);
  grpc::EnableDefaultHealthCheckService(options.health);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr) return;
  std::cerr << "Running gRPC ModelServer at 0.0.0.0:" << options.port << " ...\n";
  if (options.health) {
    server->GetHealthCheckService()->SetServingStatus("ModelService", true);
    server->GetHealthCheckService()->SetServingStatus("PredictionService", true);
  }
  server->Wait();
}

}  // namespace serving_mini
