// A model server that does for any small SavedModel what upstream's does: same flags, ports, REST paths and services.
#include <google/protobuf/text_format.h>

#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <string>

#include "tensorflow_serving/config/batching_parameters.pb.h"
#include "tensorflow_serving/config/model_server_config.pb.h"
#include "tensorflow_serving/config/monitoring_config.pb.h"
#include "tensorflow_serving/model_servers/grpc_server.h"
#include "tensorflow_serving/model_servers/http_server.h"
#include "tensorflow_serving/model_servers/models.h"
#include "tensorflow_serving/model_servers/version.h"

namespace {

std::map<std::string, std::string> flags = {
    {"port", "8500"},
    {"rest_api_port", "0"},
    {"model_name", "default"},
    {"model_base_path", ""},
    {"model_config_file", ""},
    {"monitoring_config_file", ""},
    {"batching_parameters_file", ""},
    {"enable_batching", "false"},
    {"grpc_max_threads", "0"},  // here as many as gRPC starts
    {"enable_grpc_healthcheck_service", "false"},
    {"ssl_config_file", ""},
    {"xla_cpu_compilation_enabled", "false"},  // here it always is
    {"version", "false"},
};

bool ParseFlags(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const size_t equals = word.find('=');
    const std::string name = word.rfind("--", 0) == 0 ? word.substr(2, equals - 2) : "";
    if (flags.find(name) == flags.end()) {
      std::cerr << "unknown argument: " << word << "\n";
      return false;
    }
    flags[name] = equals == std::string::npos ? "true" : word.substr(equals + 1);
  }
  return true;
}

bool ReadText(const std::string& flag, google::protobuf::Message* message) {
  if (flags[flag].empty()) return true;
  std::ifstream file(flags[flag]);
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (file.is_open() && google::protobuf::TextFormat::ParseFromString(text, message)) return true;
  std::cerr << "--" << flag << ": " << flags[flag] << " cannot be read\n";
  return false;
}

}  // namespace

int main(int argc, char** argv) {
  if (!ParseFlags(argc, argv)) return 255;
  if (flags["version"] == "true") {
    std::printf("TensorFlow ModelServer: %s\nTensorFlow Library: %s\n", TF_ModelServer_Version(), TF_LIBRARY_VERSION);
    return 0;
  }
  tensorflow::serving::MonitoringConfig monitoring;
  tensorflow::serving::BatchingParameters batching;
  tensorflow::serving::ModelServerConfig config;
  serving_mini::GrpcOptions grpc;
  if (!ReadText("monitoring_config_file", &monitoring) || !ReadText("batching_parameters_file", &batching)) return 255;
  if (!ReadText("model_config_file", &config) || !ReadText("ssl_config_file", &grpc.ssl)) return 255;
  if (flags["model_config_file"].empty()) {
    auto* only = config.mutable_model_config_list()->add_config();
    only->set_name(flags["model_name"]);
    only->set_base_path(flags["model_base_path"]);
  }

  serving_mini::Models models;
  const absl::Status configured = models.Configure(config);
  if (!configured.ok()) {
    std::cerr << configured.message() << "\n";
    return 255;
  }
  std::string metrics;
  if (monitoring.prometheus_config().enable()) {
    metrics = monitoring.prometheus_config().path();
    if (metrics.empty()) metrics = "/monitoring/prometheus/metrics";
  }
  const int rest_port = std::stoi(flags["rest_api_port"]);
  if (rest_port != 0 && !serving_mini::StartHttpServer(rest_port, &models, metrics)) {
    std::cerr << "Failed to start HTTP Server at localhost:" << rest_port << "\n";
    return 255;
  }
  // As upstream: no handler for SIGTERM.
  grpc.port = std::stoi(flags["port"]);
  grpc.health = flags["enable_grpc_healthcheck_service"] == "true";
  serving_mini::RunGrpcServer(grpc, &models);
  std::cerr << "Failed to start gRPC server\n";
  return 255;
}
