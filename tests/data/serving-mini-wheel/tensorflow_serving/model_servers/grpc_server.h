#ifndef TENSORFLOW_SERVING_MODEL_SERVERS_GRPC_SERVER_H_
#define TENSORFLOW_SERVING_MODEL_SERVERS_GRPC_SERVER_H_

#include "tensorflow_serving/config/ssl_config.pb.h"
#include "tensorflow_serving/model_servers/models.h"

namespace serving_mini {

struct GrpcOptions {
  int port = 8500;
  bool health = false;                // gRPC's own health service
  tensorflow::serving::SSLConfig ssl;  // TLS, if it has a key
};

// Answers PredictionService and ModelService until the process ends; returns only if the port cannot be had.
void RunGrpcServer(const GrpcOptions& options, Models* models);

}  // namespace serving_mini

#endif  // TENSORFLOW_SERVING_MODEL_SERVERS_GRPC_SERVER_H_
