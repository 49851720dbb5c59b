// A chat backend: admits clients, consumes their events in a group, emits to a room, and asks clients.

#include <grpcpp/grpcpp.h>

#include <cstdlib>
#include <iostream>
#include <latch>
#include <set>
#include <string>
#include <thread>

#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>

#include "realtime/v1/admission_service.grpc.pb.h"
#include "realtime/v1/emit_service.grpc.pb.h"
#include "realtime/v1/event_service.grpc.pb.h"

namespace v1 = realtime::v1;
using google::protobuf::ListValue;
using google::protobuf::Value;

namespace {

std::string setting(const char* name, const char* otherwise) {
  const char* value = std::getenv(name);
  return value ? value : otherwise;
}

template <class M>
M parse(const std::string& text) {
  M message;
  (void)google::protobuf::util::JsonStringToMessage(text, &message);
  return message;
}

std::string text(const ListValue& values) {
  std::string out;
  (void)google::protobuf::util::MessageToJsonString(values, &out);
  return out;
}

v1::AdmitRequest verdict(const v1::AdmitQuestion& question) {
  v1::AdmitRequest request;
  v1::AdmitAnswer* answer = request.mutable_answer();
  answer->set_question_id(question.id());
  const auto auth = parse<google::protobuf::Struct>(question.socket().auth());
  const auto token = auth.fields().find("token");
  const std::string word = "letmein-";
  if (token == auth.fields().end() || token->second.string_value().compare(0, word.size(), word) != 0) {
    answer->mutable_refuse()->set_message("who are you?");
    return request;
  }
  answer->mutable_accept()->set_user(token->second.string_value().substr(word.size()));
  answer->mutable_accept()->add_rooms("chat");
  return request;
}

// Answers who may connect.
void admit(std::shared_ptr<grpc::Channel> channel, std::latch& started) {
  grpc::ClientContext context;
  auto stream = v1::AdmissionService::NewStub(channel)->Admit(&context);
  v1::AdmitRequest attach;
  attach.mutable_attach()->add_namespaces("/");
  stream->Write(attach);
  v1::AdmitResponse response;
  while (stream->Read(&response)) {
    if (response.has_attached()) started.count_down();
    if (response.has_question()) stream->Write(verdict(response.question()));
  }
}

// Returns what the client's acknowledgement is answered with.
ListValue handle(v1::EmitService::Stub& emitter, const v1::Event& event) {
  grpc::ClientContext context;
  ListValue answer;
  if (event.received().name() == "message") {
    ListValue arguments;
    arguments.add_values()->set_string_value(event.user());
    *arguments.add_values() = parse<ListValue>(event.received().arguments()).values(0);
    v1::EmitRequest request;
    request.mutable_target()->add_rooms("chat");
    request.set_event("message");
    request.set_arguments(text(arguments));
    v1::EmitResponse response;
    emitter.Emit(&context, request, &response);
    answer.add_values()->set_string_value("sent");
    return answer;
  }
  v1::EmitWithAckRequest request;
  request.mutable_target()->add_rooms("chat");
  request.set_event("question");
  request.set_arguments(event.received().arguments());
  request.mutable_timeout()->set_seconds(5);
  auto stream = emitter.EmitWithAck(&context, request);
  v1::EmitWithAckResponse response;
  std::set<std::string> said;
  while (stream->Read(&response)) {
    if (response.has_answer()) said.insert(parse<ListValue>(response.answer().arguments()).values(0).string_value());
  }
  ListValue* all = answer.add_values()->mutable_list_value();
  for (const auto& one : said) all->add_values()->set_string_value(one);
  return answer;
}

// Is a member of the group, and handles what is delivered, in order.
void consume(std::shared_ptr<grpc::Channel> channel, std::latch& started) {
  auto emitter = v1::EmitService::NewStub(channel);
  grpc::ClientContext context;
  auto stream = v1::EventService::NewStub(channel)->Consume(&context);
  v1::ConsumeRequest open;
  open.mutable_open()->set_group(setting("GROUP", "chat-cpp"));
  open.mutable_open()->add_kinds(v1::EVENT_KIND_RECEIVED);
  open.mutable_open()->add_event_names("message");
  open.mutable_open()->add_event_names("poll");
  stream->Write(open);
  v1::ConsumeResponse response;
  while (stream->Read(&response)) {
    if (response.has_opened()) started.count_down();
    for (const auto& delivery : response.batch().deliveries()) {
      const ListValue answer = handle(*emitter, delivery.event());
      v1::ConsumeRequest request;
      request.mutable_settle()->add_acks(delivery.id());
      if (!delivery.event().received().ack_token().empty()) {
        auto* reply = request.mutable_settle()->add_replies();
        reply->set_ack_token(delivery.event().received().ack_token());
        reply->set_arguments(text(answer));
      }
      stream->Write(request);
    }
  }
}

}  // namespace

int main() {
  auto channel = grpc::CreateChannel(setting("REALTIME_GRPC", "127.0.0.1:9090"), grpc::InsecureChannelCredentials());
  std::latch started(2);
  std::thread admission([&] { admit(channel, started); });
  std::thread ready([&] {
    started.wait();
    std::cout << "ready" << std::endl;
  });
  consume(channel, started);
  std::_Exit(1);  // the stream has ended, and with it the service
}
