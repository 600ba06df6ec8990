#ifndef TENSORFLOW_SERVING_MODEL_SERVERS_GRPC_SERVER_H_
#define TENSORFLOW_SERVING_MODEL_SERVERS_GRPC_SERVER_H_

#include "tensorflow_serving/model_servers/models.h"

namespace serving_mini {

// Answers PredictionService and ModelService on `port` until the process ends; returns only if the port cannot be had.
void RunGrpcServer(int port, Models* models);

}  // namespace serving_mini

#endif  // TENSORFLOW_SERVING_MODEL_SERVERS_GRPC_SERVER_H_
