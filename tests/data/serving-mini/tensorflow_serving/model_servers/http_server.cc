#include "tensorflow_serving/model_servers/http_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/config.hpp>
#include <cstdlib>
#include <sstream>
#include <thread>

namespace serving_mini {
namespace {

struct Request {
  std::string method, path, body;
};

struct Response {
  int status = 200;
  std::string body;
  std::string type = "application/json";
};

bool ReadRequest(int socket, Request* request) {
  std::string data;
  char buffer[4096];
  size_t end = std::string::npos;
  while (end == std::string::npos) {
    const ssize_t count = read(socket, buffer, sizeof(buffer));
    if (count <= 0 || data.size() > (1 << 20)) return false;
    data.append(buffer, count);
    end = data.find("\r\n\r\n");
  }
  std::istringstream head(data.substr(0, end));
  head >> request->method >> request->path;
  size_t length = 0;
  for (std::string line; std::getline(head, line);) {
    for (char& c : line) c = static_cast<char>(tolower(c));
    if (line.rfind("content-length:", 0) == 0) length = std::strtoul(line.c_str() + 15, nullptr, 10);
  }
  request->body = data.substr(end + 4);
  while (request->body.size() < length) {
    const ssize_t count = read(socket, buffer, sizeof(buffer));
    if (count <= 0) return false;
    request->body.append(buffer, count);
  }
  return true;
}

// The numbers of "instances": [...]; false if there are none.
bool ParseInstances(const std::string& body, std::vector<float>* values) {
  const size_t key = body.find("\"instances\"");
  if (key == std::string::npos) return false;
  const size_t open = body.find('[', key), close = body.find(']', key);
  if (open == std::string::npos || close == std::string::npos) return false;
  std::string list = body.substr(open + 1, close - open - 1);
  for (char& c : list) {
    if (c == ',') c = ' ';
  }
  std::istringstream stream(list);
  for (float value; stream >> value;) values->push_back(value);
  return stream.eof() && !values->empty();
}

Response Failure(int status, const std::string& text) {
  return Response{status, "{\n    \"error\": \"" + text + "\"\n}\n"};
}

Response Status(const Model& model) {
  std::ostringstream out;
  out << "{\n \"model_version_status\": [\n  {\n   \"version\": \"" << model.version()
      << "\",\n   \"state\": \"AVAILABLE\",\n   \"status\": {\n    \"error_code\": \"OK\",\n"
      << "    \"error_message\": \"\"\n   }\n  }\n ]\n}\n";
  return Response{200, out.str()};
}

Response Predict(const Model& model, const std::string& body) {
  std::vector<float> values;
  if (!ParseInstances(body, &values)) return Failure(400, "Missing 'inputs' or 'instances' key");
  std::ostringstream out;
  out << "{\n    \"predictions\": [";
  const char* separator = "";
  for (const float y : model.Predict(values)) {
    out << separator << std::showpoint << y;
    separator = ", ";
  }
  out << "\n    ]\n}";
  return Response{200, out.str()};
}

Response Metrics(const Model& model) {
  std::ostringstream out;
  out << "# TYPE :tensorflow:serving:request_count counter\n"
      << ":tensorflow:serving:request_count{model_name=\"" << model.name() << "\",status=\"OK\"} "
      << model.requests() << "\n";
  return Response{200, out.str(), "text/plain"};
}

Response Answer(const Request& request, const Model& model, const std::string& metrics_path) {
  const std::string base = "/v1/models/" + model.name();
  if (request.method == "GET" && request.path == base) return Status(model);
  if (request.method == "POST" && request.path == base + ":predict") return Predict(model, request.body);
  if (!metrics_path.empty() && request.path == metrics_path) return Metrics(model);
  if (request.path.rfind("/v1/", 0) != 0) return Response{404, "<H1>Not Found</H1>\n", "text/html"};
  if (request.path.rfind(base, 0) != 0) return Failure(404, "Could not find any versions of model");
  return Failure(400, "Malformed request: " + request.method + " " + request.path);
}

const char* Reason(int status) {
  switch (status) {
    case 200: return "OK";
    case 404: return "Not Found";
    case 400: return "Bad Request";
    default: return "Internal Server Error";
  }
}

void Serve(int socket, const Model& model, const std::string& metrics_path) {
  Request request;
  if (ReadRequest(socket, &request)) {
    const Response response = Answer(request, model, metrics_path);
    std::ostringstream out;
    out << "HTTP/1.1 " << response.status << " " << Reason(response.status)
        << "\r\nContent-Type: " << response.type << "\r\nContent-Length: " << response.body.size() << "\r\nConnection: close\r\n\r\n"
        << response.body;
    const std::string text = out.str();
    if (write(socket, text.data(), text.size()) < 0) perror("http_server");
  }
  close(socket);
}

}  // namespace

bool StartHttpServer(int port, const Model& model, const std::string& metrics_path) {
  static_assert(BOOST_VERSION_OF_THE_OVERRIDE > 0, "the overridden repository is in use");
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  const int on = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_ANY);
  if (bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) return false;
  if (listen(listener, 64) != 0) return false;
  std::thread([listener, &model, metrics_path] {
    for (;;) {
      const int socket = accept(listener, nullptr, nullptr);
      if (socket >= 0) std::thread(Serve, socket, std::cref(model), metrics_path).detach();
    }
  }).detach();
  return true;
}

}  // namespace serving_mini
