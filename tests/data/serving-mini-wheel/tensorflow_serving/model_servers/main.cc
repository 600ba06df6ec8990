// A model server that does for any small SavedModel what upstream's does: same flags, ports, REST paths and services.
#include <google/protobuf/text_format.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
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

// As upstream's: a word that is no flag is kept and told, and the server starts without it; a value that cannot be
// read ends it.
bool ParseFlags(int argc, char** argv, std::vector<std::string>* unknown) {
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const size_t equals = word.find('=');
    const auto flag = flags.find(word.rfind("--", 0) == 0 ? word.substr(2, equals - 2) : "");
    if (word == "--help") return false;
    if (flag == flags.end()) {
      unknown->push_back(word);
      continue;
    }
    const std::string value = equals == std::string::npos ? "true" : word.substr(equals + 1);
    const std::string& standard = flag->second;
    const bool is_switch = standard == "true" || standard == "false";
    const bool is_number = !standard.empty() && standard.find_first_not_of("0123456789") == std::string::npos;
    if ((is_switch && value != "true" && value != "false") ||
        (is_number && (value.empty() || value.find_first_not_of("0123456789") != std::string::npos))) {
      std::cerr << "Couldn't interpret value " << value << " for flag " << flag->first << ".\n";
      return false;
    }
    flag->second = value;
  }
  return true;
}

void PrintUsage(const char* program) {
  std::cout << "usage: " << program << "\nFlags:\n";
  for (const auto& flag : flags) std::cout << "\t--" << flag.first << "=" << flag.second << "\n";
}

absl::Status ReadText(const std::string& flag, google::protobuf::Message* message) {
  const std::string& path = flags[flag];
  if (path.empty()) return absl::OkStatus();
  std::ifstream file(path);
  if (!file.is_open()) return absl::NotFoundError(path + "; No such file or directory");
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (google::protobuf::TextFormat::ParseFromString(text, message)) return absl::OkStatus();
  return absl::InvalidArgumentError("Invalid protobuf file: '" + path + "'");
}

absl::Status ReadBatching() {
  tensorflow::serving::BatchingParameters batching;
  if (flags["enable_batching"] == "true") return ReadText("batching_parameters_file", &batching);
  if (flags["batching_parameters_file"].empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      "server_options.batching_parameters_file is set without setting server_options.enable_batching to true.");
}

absl::Status ReadModels(tensorflow::serving::ModelServerConfig* config) {
  if (!flags["model_config_file"].empty()) return ReadText("model_config_file", config);
  auto* only = config->mutable_model_config_list()->add_config();
  only->set_name(flags["model_name"]);
  only->set_base_path(flags["model_base_path"]);
  return absl::OkStatus();
}

// Waits for a model that is not there yet, for ever, as upstream does.
absl::Status Load(const tensorflow::serving::ModelServerConfig& config, serving_mini::Models* models) {
  for (;;) {
    const absl::Status configured = models->Configure(config);
    if (!absl::IsNotFound(configured)) return configured;
    std::cerr << configured.message() << "\n";
    std::this_thread::sleep_for(std::chrono::seconds(1));
  }
}

// What goes wrong here is told, and the server answers through gRPC alone: as upstream.
void StartRest(serving_mini::Models* models) {
  const std::string& port = flags["rest_api_port"];
  tensorflow::serving::MonitoringConfig monitoring;
  if (port == "0" || !ReadText("monitoring_config_file", &monitoring).ok()) return;
  std::string metrics;
  if (monitoring.prometheus_config().enable()) {
    metrics = monitoring.prometheus_config().path();
    if (metrics.empty()) metrics = "/monitoring/prometheus/metrics";
  }
  if (port != flags["port"] && serving_mini::StartHttpServer(std::stoi(port), models, metrics)) {
    std::cerr << "Exporting HTTP/REST API at:localhost:" << port << " ...\n";
  } else {
    std::cerr << "Failed to start HTTP Server at localhost:" << port << "\n";
  }
}

int Failed(const absl::Status& status) {
  std::cout << "Failed to start server. Error: " << status << "\n";
  return 255;
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> unknown;
  if (!ParseFlags(argc, argv, &unknown)) {
    PrintUsage(argv[0]);
    return 255;
  }
  if (flags["version"] == "true") {
    std::printf("TensorFlow ModelServer: %s\nTensorFlow Library: %s\n", TF_ModelServer_Version(), TF_LIBRARY_VERSION);
    return 0;
  }
  if (!unknown.empty()) {
    std::cout << "unknown argument: " << unknown.front() << "\n";
    PrintUsage(argv[0]);
  }
  tensorflow::serving::ModelServerConfig config;
  if (const absl::Status read = ReadModels(&config); !read.ok()) return Failed(read);
  if (const absl::Status read = ReadBatching(); !read.ok()) return Failed(read);
  serving_mini::Models models;
  if (const absl::Status loaded = Load(config, &models); !loaded.ok()) {
    return Failed(absl::UnknownError("1 servable(s) did not become available: " + loaded.ToString()));
  }
  serving_mini::GrpcOptions grpc;
  if (const absl::Status read = ReadText("ssl_config_file", &grpc.ssl); !read.ok()) {
    std::cerr << "Non-OK-status: " << read << "\n";
    std::abort();
  }
  StartRest(&models);
  // As upstream: no handler for SIGTERM.
  grpc.port = std::stoi(flags["port"]);
  grpc.health = flags["enable_grpc_healthcheck_service"] == "true";
  serving_mini::RunGrpcServer(grpc, &models);
  return Failed(absl::InvalidArgumentError("Failed to BuildAndStart gRPC server"));
}
