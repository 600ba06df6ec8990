#ifndef TENSORFLOW_SERVING_MODEL_SERVERS_GRPC_SERVER_H_
#define TENSORFLOW_SERVING_MODEL_SERVERS_GRPC_SERVER_H_

#include "tensorflow_serving/model_servers/model.h"

namespace serving_mini {

// Answers PredictionService on `port` until the process ends; returns only if the port cannot be had.
void RunGrpcServer(int port, const Model& model);

}  // namespace serving_mini

#endif  // TENSORFLOW_SERVING_MODEL_SERVERS_GRPC_SERVER_H_
