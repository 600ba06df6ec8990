// A model server that does for half_plus_two what upstream's does: same flags, ports, REST paths and service.
#include <google/protobuf/text_format.h>

#include <chrono>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "tensorflow_serving/config/batching_parameters.pb.h"
#include "tensorflow_serving/config/monitoring_config.pb.h"
#include "tensorflow_serving/model_servers/grpc_server.h"
#include "tensorflow_serving/model_servers/http_server.h"
#include "tensorflow_serving/model_servers/model.h"
#include "tensorflow_serving/model_servers/version.h"

namespace {

std::map<std::string, std::string> flags = {
    {"port", "8500"},           {"rest_api_port", "0"},           {"model_name", "default"},
    {"model_base_path", ""},    {"monitoring_config_file", ""},   {"batching_parameters_file", ""},
    {"enable_batching", "false"}, {"version", "false"},
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

// Empty on success, else what is wrong.
std::string ReadText(const std::string& flag, google::protobuf::Message* message) {
  const std::string& path = flags[flag];
  if (path.empty()) return "";
  std::ifstream file(path);
  if (!file.is_open()) return "NOT_FOUND: " + path + "; No such file or directory";
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (google::protobuf::TextFormat::ParseFromString(text, message)) return "";
  return "INVALID_ARGUMENT: Invalid protobuf file: '" + path + "'";
}

std::string ReadBatching() {
  tensorflow::serving::BatchingParameters batching;
  if (flags["enable_batching"] == "true") return ReadText("batching_parameters_file", &batching);
  if (flags["batching_parameters_file"].empty()) return "";
  return "INVALID_ARGUMENT: server_options.batching_parameters_file is set without setting "
         "server_options.enable_batching to true.";
}

// Waits for a model that is not there yet, for ever, as upstream does. Empty on success, else what is wrong.
std::string Load(serving_mini::Model* model) {
  const std::string name = flags["model_name"], path = flags["model_base_path"];
  for (std::string waits; !(waits = serving_mini::WaitsFor(name, path)).empty();) {
    std::cerr << waits << "\n";
    std::this_thread::sleep_for(std::chrono::seconds(1));
  }
  return model->Load(name, path);
}

// What goes wrong here is told, and the server answers through gRPC alone: as upstream.
void StartRest(const serving_mini::Model& model) {
  const std::string& port = flags["rest_api_port"];
  tensorflow::serving::MonitoringConfig monitoring;
  if (port == "0" || !ReadText("monitoring_config_file", &monitoring).empty()) return;
  std::string metrics;
  if (monitoring.prometheus_config().enable()) {
    metrics = monitoring.prometheus_config().path();
    if (metrics.empty()) metrics = "/monitoring/prometheus/metrics";
  }
  if (port != flags["port"] && serving_mini::StartHttpServer(std::stoi(port), model, metrics)) {
    std::cerr << "Exporting HTTP/REST API at:localhost:" << port << " ...\n";
  } else {
    std::cerr << "Failed to start HTTP Server at localhost:" << port << "\n";
  }
}

int Failed(const std::string& problem) {
  std::cout << "Failed to start server. Error: " << problem << "\n";
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
  if (const std::string problem = ReadBatching(); !problem.empty()) return Failed(problem);
  serving_mini::Model model;
  if (const std::string problem = Load(&model); !problem.empty()) {
    return Failed("UNKNOWN: 1 servable(s) did not become available: " + problem);
  }
  std::cerr << "Successfully loaded servable version {name: " << model.name() << " version: " << model.version()
            << "}\n";
  StartRest(model);
  // As upstream: no handler for SIGTERM.
  serving_mini::RunGrpcServer(std::stoi(flags["port"]), model);
  return Failed("INVALID_ARGUMENT: Failed to BuildAndStart gRPC server");
}
