#include "tensorflow_serving/model_servers/http_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <sstream>
#include <thread>

#include "tensorflow_serving/model_servers/rest.h"

namespace serving_mini {
namespace {

// What a connection has sent and nobody has read yet.
struct Connection {
  int socket;
  std::string data;

  bool Receive() {
    char buffer[4096];
    const ssize_t count = read(socket, buffer, sizeof(buffer));
    if (count > 0) data.append(buffer, static_cast<size_t>(count));
    return count > 0 && data.size() <= (1 << 20);
  }
};

// False at the end of the connection. `*last` is what the client asks for with "Connection: close".
bool ReadRequest(Connection* from, Request* request, bool* last) {
  size_t end;
  while ((end = from->data.find("\r\n\r\n")) == std::string::npos) {
    if (!from->Receive()) return false;
  }
  std::istringstream head(from->data.substr(0, end));
  head >> request->method >> request->path;
  size_t length = 0;
  *last = false;
  for (std::string line; std::getline(head, line);) {
    for (char& c : line) c = static_cast<char>(tolower(c));
    if (line.rfind("content-length:", 0) == 0) length = std::strtoul(line.c_str() + 15, nullptr, 10);
    if (line.rfind("connection: close", 0) == 0) *last = true;
  }
  while (from->data.size() < end + 4 + length) {
    if (!from->Receive()) return false;
  }
  request->body = from->data.substr(end + 4, length);
  from->data.erase(0, end + 4 + length);
  return true;
}

const char* Reason(int status) {
  switch (status) {
    case 200: return "OK";
    case 404: return "Not Found";
    case 400: return "Bad Request";
    default: return "Internal Server Error";
  }
}

void Serve(int socket, Models* models, const std::string& metrics_path) {
  Connection connection{socket, ""};
  Request request;
  for (bool last = false; !last && ReadRequest(&connection, &request, &last);) {
    const Response response = Answer(request, models, metrics_path);
    std::ostringstream out;
    out << "HTTP/1.1 " << response.status << " " << Reason(response.status)
        << "\r\nContent-Type: " << response.type << "\r\nContent-Length: " << response.body.size() << "\r\n\r\n"
        << response.body;
    const std::string text = out.str();
    if (send(socket, text.data(), text.size(), MSG_NOSIGNAL) < 0) break;
  }
  close(socket);
}

}  // namespace

bool StartHttpServer(int port, Models* models, const std::string& metrics_path) {
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  const int on = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_ANY);
  if (bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) return false;
  if (listen(listener, 64) != 0) return false;
  std::thread([listener, models, metrics_path] {
    for (;;) {
      const int socket = accept(listener, nullptr, nullptr);
      if (socket >= 0) std::thread(Serve, socket, models, metrics_path).detach();
    }
  }).detach();
  return true;
}

}  // namespace serving_mini
