// Asks a model server that listens on this machine what upstream's documentation asks half_plus_two, and prints
// what came back, a line for each fact; whoever started it judges.
//
//   probe MODEL SECONDS [METRICS-PATH VALUE...]
//
//   state AVAILABLE      of the model, once it has it, else what it was after SECONDS
//   rest 2.5 3 4.5       predictions through REST
//   grpc 2.5 3 4.5       the same through gRPC
//   metrics 12           lines of the metrics page that name a series of TensorFlow Serving
//   error WHAT TEXT      instead of one of these
#include <arpa/inet.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/impl/codegen/client_unary_call.h>
#include <grpcpp/impl/codegen/proto_utils.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "tensorflow_serving/apis/predict.pb.h"

namespace {

constexpr int kGrpcPort = 8500;
constexpr int kRestPort = 8501;
constexpr auto kPause = std::chrono::milliseconds(100);
constexpr auto kRequest = std::chrono::seconds(60);

struct Answer {
  int status = 0;
  std::string body;
};

Answer Http(const std::string& method, const std::string& path, const std::string& body) {
  Answer answer;
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(kRestPort);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int connection = socket(AF_INET, SOCK_STREAM, 0);
  timeval limit{std::chrono::seconds(kRequest).count(), 0};
  setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  const std::string request = method + " " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" +
                              "Content-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) +
                              "\r\n\r\n" + body;
  std::string text;
  if (connect(connection, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0 &&
      send(connection, request.data(), request.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(request.size())) {
    char buffer[4096];
    for (ssize_t count; (count = recv(connection, buffer, sizeof(buffer), 0)) > 0;) text.append(buffer, count);
  }
  close(connection);
  std::sscanf(text.c_str(), "HTTP/%*s %d", &answer.status);
  const size_t end = text.find("\r\n\r\n");
  if (end != std::string::npos) answer.body = text.substr(end + 4);
  return answer;
}

std::string OneLine(std::string text) {
  for (char& c : text) {
    if (c == '\n' || c == '\r') c = ' ';
  }
  return text.substr(0, 500);
}

void Fail(const char* what, const std::string& text) { std::printf("error %s %s\n", what, OneLine(text).c_str()); }

// The value of the first "state" in a model's status.
std::string State(const std::string& body) {
  const size_t key = body.find("\"state\"");
  if (key == std::string::npos) return "";
  const size_t open = body.find('"', body.find(':', key));
  const size_t close = body.find('"', open + 1);
  return open == std::string::npos || close == std::string::npos ? "" : body.substr(open + 1, close - open - 1);
}

bool WaitUntilAvailable(const std::string& model, int seconds) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
  std::string state;
  while (state != "AVAILABLE" && std::chrono::steady_clock::now() < deadline) {
    const Answer answer = Http("GET", "/v1/models/" + model, "");
    state = answer.status == 200 ? State(answer.body) : "";
    if (state != "AVAILABLE") std::this_thread::sleep_for(kPause);
  }
  std::printf("state %s\n", state.empty() ? "NO-ANSWER" : state.c_str());
  return state == "AVAILABLE";
}

void PredictRest(const std::string& model, const std::vector<float>& values) {
  std::ostringstream body;
  body << "{\"instances\": [";
  for (size_t i = 0; i < values.size(); ++i) body << (i == 0 ? "" : ", ") << std::showpoint << values[i];
  body << "]}";
  const Answer answer = Http("POST", "/v1/models/" + model + ":predict", body.str());
  const size_t open = answer.body.find('[', answer.body.find("\"predictions\""));
  const size_t close = answer.body.find(']', open);
  if (answer.status != 200 || open == std::string::npos || close == std::string::npos) {
    Fail("rest", "HTTP " + std::to_string(answer.status) + " " + answer.body);
    return;
  }
  std::string list = answer.body.substr(open + 1, close - open - 1);
  for (char& c : list) {
    if (c == ',') c = ' ';
  }
  std::printf("rest");
  std::istringstream stream(list);
  for (float value; stream >> value;) std::printf(" %g", value);
  std::printf("\n");
}

// The messages are the source's; the method is called by its name, so that the other messages of the service, and
// with them all of TensorFlow's, are not needed.
grpc::Status Call(grpc::Channel* channel, const tensorflow::serving::PredictRequest& request,
                  tensorflow::serving::PredictResponse* response) {
  const grpc::internal::RpcMethod method("/tensorflow.serving.PredictionService/Predict",
                                         grpc::internal::RpcMethod::NORMAL_RPC);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kRequest);
  // The two ports need not open at the same moment.
  context.set_wait_for_ready(true);
  using tensorflow::serving::PredictRequest;
  using tensorflow::serving::PredictResponse;
  return grpc::internal::BlockingUnaryCall<PredictRequest, PredictResponse>(channel, method, &context, request,
                                                                            response);
}

void PredictGrpc(const std::string& model, const std::vector<float>& values) {
  tensorflow::serving::PredictRequest request;
  tensorflow::serving::PredictResponse response;
  request.mutable_model_spec()->set_name(model);
  tensorflow::TensorProto& x = (*request.mutable_inputs())["x"];
  x.set_dtype(tensorflow::DT_FLOAT);
  x.mutable_tensor_shape()->add_dim()->set_size(static_cast<int64_t>(values.size()));
  for (const float value : values) x.add_float_val(value);
  const auto channel =
      grpc::CreateChannel("127.0.0.1:" + std::to_string(kGrpcPort), grpc::InsecureChannelCredentials());
  const grpc::Status status = Call(channel.get(), request, &response);
  const auto output = response.outputs().find("y");
  if (!status.ok() || output == response.outputs().end()) {
    Fail("grpc", std::to_string(status.error_code()) + " " + status.error_message());
    return;
  }
  const tensorflow::TensorProto& y = output->second;
  std::vector<float> got(y.float_val().begin(), y.float_val().end());
  if (!y.tensor_content().empty()) {
    got.resize(y.tensor_content().size() / sizeof(float));
    std::memcpy(got.data(), y.tensor_content().data(), got.size() * sizeof(float));
  }
  std::printf("grpc");
  for (const float value : got) std::printf(" %g", value);
  std::printf("\n");
}

void Metrics(const std::string& path) {
  const Answer answer = Http("GET", path, "");
  if (answer.status != 200) {
    Fail("metrics", "HTTP " + std::to_string(answer.status) + " " + answer.body);
    return;
  }
  int count = 0;
  std::istringstream lines(answer.body);
  for (std::string line; std::getline(lines, line);) count += line.rfind(":tensorflow:", 0) == 0 ? 1 : 0;
  std::printf("metrics %d\n", count);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  const std::string model = argv[1];
  if (!WaitUntilAvailable(model, std::atoi(argv[2]))) return 1;
  if (argc < 5) return 0;
  const std::string metrics = argv[3];
  std::vector<float> values;
  for (int i = 4; i < argc; ++i) values.push_back(std::strtof(argv[i], nullptr));
  PredictRest(model, values);
  PredictGrpc(model, values);
  Metrics(metrics);
  return 0;
}
