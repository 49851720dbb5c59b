# A chat backend: admits clients, consumes their events in a group, emits to a room, and asks clients.

require "grpc"
require "json"
require "realtime/v1/admission_service_services_pb"
require "realtime/v1/emit_service_services_pb"
require "realtime/v1/event_service_services_pb"

V1 = Realtime::V1
ADDRESS = ENV.fetch("REALTIME_GRPC", "127.0.0.1:9090")
ROOM = V1::Target.new(rooms: ["chat"])
STARTED = Queue.new

# Requests is what is sent on a stream: others put messages into it.
class Requests
  def initialize(first)
    @waiting = Queue.new
    @waiting << first
  end

  def <<(request)
    @waiting << request
  end

  def each
    loop { yield @waiting.pop }
  end
end

def verdict(question)
  auth = JSON.parse(question.socket.auth.empty? ? "{}" : question.socket.auth) || {}
  user = auth["token"].to_s[/\Aletmein-(.+)\z/, 1]
  return V1::AdmitAnswer.new(question_id: question.id, refuse: V1::AdmitRefuse.new(message: "who are you?")) unless user

  V1::AdmitAnswer.new(question_id: question.id, accept: V1::AdmitAccept.new(user: user, rooms: ["chat"]))
end

def admit
  requests = Requests.new(V1::AdmitRequest.new(attach: V1::AdmitAttach.new(namespaces: ["/"])))
  V1::AdmissionService::Stub.new(ADDRESS, :this_channel_is_insecure).admit(requests.enum_for(:each)).each do |response|
    STARTED << :attached if response.message == :attached
    requests << V1::AdmitRequest.new(answer: verdict(response.question)) if response.message == :question
  end
end

# handle returns what the client's acknowledgement is answered with.
def handle(emitter, event)
  arguments = JSON.parse(event.received.arguments)
  if event.received.name == "message"
    emitter.emit(V1::EmitRequest.new(target: ROOM, event: "message", arguments: [event.user, arguments[0]].to_json))
    return ["sent"]
  end
  asked = V1::EmitWithAckRequest.new(target: ROOM, event: "question", arguments: arguments.to_json, timeout: Google::Protobuf::Duration.new(seconds: 5))
  answers = emitter.emit_with_ack(asked).select { |r| r.result == :answer }.map { |r| JSON.parse(r.answer.arguments)[0] }
  [answers.sort]
end

def consume
  emitter = V1::EmitService::Stub.new(ADDRESS, :this_channel_is_insecure)
  requests = Requests.new(V1::ConsumeRequest.new(open: V1::ConsumeOpen.new(
    group: ENV.fetch("GROUP", "chat-ruby"), kinds: [:EVENT_KIND_RECEIVED], event_names: %w[message poll]
  )))
  V1::EventService::Stub.new(ADDRESS, :this_channel_is_insecure).consume(requests.enum_for(:each)).each do |response|
    STARTED << :opened if response.message == :opened
    next unless response.message == :batch

    response.batch.deliveries.each do |delivery|
      answer = handle(emitter, delivery.event)
      token = delivery.event.received.ack_token
      replies = token.empty? ? [] : [V1::ConsumeReply.new(ack_token: token, arguments: answer.to_json)]
      requests << V1::ConsumeRequest.new(settle: V1::ConsumeSettle.new(acks: [delivery.id], replies: replies))
    end
  end
end

Thread.abort_on_exception = true
threads = [Thread.new { admit }, Thread.new { consume }]
2.times { STARTED.pop }
puts "ready"
$stdout.flush
threads.each(&:join)
