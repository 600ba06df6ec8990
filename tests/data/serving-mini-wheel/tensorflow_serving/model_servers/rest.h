#ifndef TENSORFLOW_SERVING_MODEL_SERVERS_REST_H_
#define TENSORFLOW_SERVING_MODEL_SERVERS_REST_H_

#include <string>

#include "tensorflow_serving/model_servers/models.h"

namespace serving_mini {

struct Request {
  std::string method, path, body;
};

struct Response {
  int status = 200;
  std::string body;
  std::string type = "application/json";
};

// What upstream's REST interface answers. `metrics_path` is empty where monitoring is off.
Response Answer(const Request& request, Models* models, const std::string& metrics_path);

}  // namespace serving_mini

#endif  // TENSORFLOW_SERVING_MODEL_SERVERS_REST_H_
