// Asks a model server that listens on this machine, and prints what came back: a JSON object in a line for each
// question, in their order. Whoever started it judges.
//
//   probe QUESTIONS   a message Questions of questions.proto, as JSON
//
// It ends with exit code 1 at the first model that does not get AVAILABLE, and at the first prediction that does not
// come in time.
#include <arpa/inet.h>
#include <google/protobuf/util/json_util.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/impl/codegen/client_unary_call.h>
#include <grpcpp/impl/codegen/proto_utils.h>
#include <grpcpp/impl/codegen/sync_stream.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "questions.pb.h"

namespace {

using tfbuild::smoke::Answer;
using tfbuild::smoke::PredictRequest;
using tfbuild::smoke::PredictResponse;
using tfbuild::smoke::Question;

constexpr char kAddress[] = "127.0.0.1:8500";
constexpr int kRestPort = 8501;
constexpr auto kPause = std::chrono::milliseconds(100);
constexpr auto kRequest = std::chrono::seconds(60);
// A server that speaks TLS ends a plain connection at once, and gRPC tries again.
constexpr auto kRefusal = std::chrono::seconds(5);
// Questions before a switch and after it.
constexpr int kAround = 20;

struct Reply {
  int status = 0;
  std::string body;
};

Reply Http(const std::string& method, const std::string& path, const std::string& body) {
  Reply reply;
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
  std::sscanf(text.c_str(), "HTTP/%*s %d", &reply.status);
  const size_t end = text.find("\r\n\r\n");
  if (end != std::string::npos) reply.body = text.substr(end + 4);
  return reply;
}

// The value of the first "state" in a model's status.
std::string State(const std::string& body) {
  const size_t key = body.find("\"state\"");
  if (key == std::string::npos) return "";
  const size_t open = body.find('"', body.find(':', key));
  const size_t close = body.find('"', open + 1);
  return open == std::string::npos || close == std::string::npos ? "" : body.substr(open + 1, close - open - 1);
}

bool Wait(const Question::Wait& question, Answer* answer) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(question.seconds());
  std::string state;
  while (state != "AVAILABLE" && std::chrono::steady_clock::now() < deadline) {
    const Reply reply = Http("GET", "/v1/models/" + question.model(), "");
    state = reply.status == 200 ? State(reply.body) : "";
    if (state != "AVAILABLE") std::this_thread::sleep_for(kPause);
  }
  answer->set_state(state.empty() ? "NO-ANSWER" : state);
  return state == "AVAILABLE";
}

// The method is called by its name: the server's own .proto files are not needed.
template <typename Request, typename Response>
grpc::Status Call(grpc::Channel* channel, const char* name, const Request& request, Response* response) {
  const grpc::internal::RpcMethod method(name, grpc::internal::RpcMethod::NORMAL_RPC);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kRequest);
  // The two ports need not open at the same moment.
  context.set_wait_for_ready(true);
  return grpc::internal::BlockingUnaryCall<Request, Response>(channel, method, &context, request, response);
}

grpc::Status Predict(grpc::Channel* channel, const PredictRequest& request, PredictResponse* response) {
  return Call(channel, "/tensorflow.serving.PredictionService/Predict", request, response);
}

// What one of two versions says, without the version.
std::string Said(const PredictResponse& response) {
  std::string text;
  for (const auto& output : std::map<std::string, tfbuild::smoke::Tensor>(response.outputs().begin(),
                                                                         response.outputs().end())) {
    text += output.first + "\n" + output.second.SerializeAsString();
  }
  return text;
}

class Traffic {
 public:
  Traffic(grpc::Channel* channel, const PredictRequest& ask) : channel_(channel), ask_(ask), thread_([this] { Run(); }) {}

  // Returns when `count` further questions have been asked.
  void Await(int count) const {
    const int until = asked_ + count;
    while (asked_ < until) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }

  void End() {
    end_ = true;
    thread_.join();
  }

  void Tell(const std::string& one, const std::string& other, Answer* answer) const {
    answer->set_asked(asked_);
    answer->set_failed(failed_);
    for (const auto& said : said_) answer->set_neither(answer->neither() + (said != one && said != other ? 1 : 0));
  }

 private:
  void Run() {
    while (!end_) {
      PredictResponse response;
      if (Predict(channel_, ask_, &response).ok()) {
        said_.push_back(Said(response));
      } else {
        ++failed_;
      }
      ++asked_;
    }
  }

  grpc::Channel* const channel_;
  const PredictRequest& ask_;
  std::atomic<int> asked_{0};
  std::atomic<int> failed_{0};
  std::atomic<bool> end_{false};
  std::vector<std::string> said_;  // of the thread, until it has ended
  std::thread thread_;             // last: it uses the others
};

void Switch(grpc::Channel* channel, const Question::Switch& question, Answer* answer) {
  Predict(channel, question.ask(), answer->mutable_before());
  Traffic traffic(channel, question.ask());
  traffic.Await(kAround);
  tfbuild::smoke::ReloadConfigRequest request;
  tfbuild::smoke::ReloadConfigResponse response;
  *request.mutable_config() = question.config();
  const grpc::Status status =
      Call(channel, "/tensorflow.serving.ModelService/HandleReloadConfigRequest", request, &response);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(question.seconds());
  while (status.ok() && answer->response().model_spec().version().value() != question.version() &&
         std::chrono::steady_clock::now() < deadline) {
    Predict(channel, question.ask(), answer->mutable_response());
  }
  traffic.Await(kAround);
  traffic.End();
  traffic.Tell(Said(answer->before()), Said(answer->response()), answer);
  answer->set_status(status.ok() ? response.status().error_code() : status.error_code());
  answer->set_text(status.ok() ? response.status().error_message() : status.error_message());
}

void Health(grpc::Channel* channel, const std::string& service, Answer* answer) {
  tfbuild::smoke::HealthCheckRequest request;
  tfbuild::smoke::HealthCheckResponse response;
  request.set_service(service);
  const grpc::Status status = Call(channel, "/grpc.health.v1.Health/Check", request, &response);
  answer->set_status(status.error_code());
  answer->set_text(status.error_message());
  answer->set_state(tfbuild::smoke::HealthCheckResponse::ServingStatus_Name(response.status()));
}

void ListServices(grpc::Channel* channel, Answer* answer) {
  using Request = tfbuild::smoke::ReflectionRequest;
  using Response = tfbuild::smoke::ReflectionResponse;
  const grpc::internal::RpcMethod method("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
                                         grpc::internal::RpcMethod::BIDI_STREAMING);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kRequest);
  const std::unique_ptr<grpc::ClientReaderWriter<Request, Response>> stream(
      grpc::internal::ClientReaderWriterFactory<Request, Response>::Create(channel, method, &context));
  Request request;
  Response response;
  request.set_list_services("*");
  if (stream->Write(request)) stream->Read(&response);
  stream->WritesDone();
  const grpc::Status status = stream->Finish();
  answer->set_status(status.error_code());
  answer->set_text(status.error_message());
  for (const auto& service : response.list_services_response().service()) answer->add_services(service.name());
}

// As somebody asks who does not know of the server's TLS.
void AskInPlain(const std::string& address, const PredictRequest& request, Answer* answer) {
  const auto channel = grpc::CreateChannel(address, grpc::InsecureChannelCredentials());
  const grpc::internal::RpcMethod method("/tensorflow.serving.PredictionService/Predict",
                                         grpc::internal::RpcMethod::NORMAL_RPC);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kRefusal);
  const grpc::Status status = grpc::internal::BlockingUnaryCall<PredictRequest, PredictResponse>(
      channel.get(), method, &context, request, answer->mutable_response());
  answer->set_status(status.error_code());
  answer->set_text(status.error_message());
}

std::shared_ptr<grpc::ChannelCredentials> Credentials(const std::string& ca_file) {
  if (ca_file.empty()) return grpc::InsecureChannelCredentials();
  std::ifstream file(ca_file);
  grpc::SslCredentialsOptions options;
  options.pem_root_certs.assign(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  return grpc::SslCredentials(options);
}

// False where it makes no sense to go on.
bool Ask(grpc::Channel* channel, const Question& question, Answer* answer) {
  if (question.has_wait()) return Wait(question.wait(), answer);
  if (question.has_http()) {
    const Reply reply = Http(question.http().method(), question.http().path(), question.http().body());
    answer->set_status(reply.status);
    answer->set_text(reply.body);
  } else if (question.has_predict()) {
    const grpc::Status status = Predict(channel, question.predict(), answer->mutable_response());
    answer->set_status(status.error_code());
    answer->set_text(status.error_message());
    // A server that is gone, or hangs: all further questions would wait as long.
    return status.error_code() != grpc::StatusCode::DEADLINE_EXCEEDED;
  } else if (question.has_switch_()) {
    Switch(channel, question.switch_(), answer);
  } else if (question.has_health()) {
    Health(channel, question.health().service(), answer);
  } else if (question.has_services()) {
    ListServices(channel, answer);
  } else if (question.has_plain()) {
    AskInPlain(kAddress, question.plain(), answer);
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  tfbuild::smoke::Questions questions;
  if (argc != 2) return 2;
  const auto read = google::protobuf::util::JsonStringToMessage(argv[1], &questions);
  if (!read.ok()) {
    std::fprintf(stderr, "probe: %s\n", read.ToString().c_str());
    return 2;
  }
  const auto channel = grpc::CreateChannel(kAddress, Credentials(questions.ca_file()));
  for (const Question& question : questions.questions()) {
    Answer answer;
    answer.set_id(question.id());
    const bool go_on = Ask(channel.get(), question, &answer);
    std::string line;
    const auto written = google::protobuf::util::MessageToJsonString(answer, &line);
    if (!written.ok()) {
      // A body that is no UTF-8, for one.
      std::fprintf(stderr, "probe: %s: %s\n", question.id().c_str(), written.ToString().c_str());
      return 2;
    }
    std::printf("%s\n", line.c_str());
    std::fflush(stdout);
    if (!go_on) return 1;
  }
  return 0;
}
