#ifndef TENSORFLOW_SERVING_MODEL_SERVERS_HTTP_SERVER_H_
#define TENSORFLOW_SERVING_MODEL_SERVERS_HTTP_SERVER_H_

#include <string>

#include "tensorflow_serving/model_servers/models.h"

namespace serving_mini {

// Answers REST requests on `port` in threads of its own. `metrics_path` is empty where monitoring is off.
// False if the port cannot be had.
bool StartHttpServer(int port, Models* models, const std::string& metrics_path);

}  // namespace serving_mini

#endif  // TENSORFLOW_SERVING_MODEL_SERVERS_HTTP_SERVER_H_
