"""A chat backend: admits clients, consumes their events in a group, emits to a room, and asks clients."""

import json
import os
import queue
import threading

import grpc
from google.protobuf.duration_pb2 import Duration

from realtime.v1 import admission_service_pb2 as admission
from realtime.v1 import admission_service_pb2_grpc as admission_grpc
from realtime.v1 import emit_service_pb2 as emit
from realtime.v1 import emit_service_pb2_grpc as emit_grpc
from realtime.v1 import event_service_pb2 as event
from realtime.v1 import event_service_pb2_grpc as event_grpc
from realtime.v1.target_pb2 import Target

ROOM = Target(rooms=["chat"])


class Requests:
    """What is sent on a stream: an iterator for gRPC that others put messages into."""

    def __init__(self, first):
        self.waiting = queue.SimpleQueue()
        self.waiting.put(first)

    def send(self, request):
        self.waiting.put(request)

    def __iter__(self):
        return self

    def __next__(self):
        return self.waiting.get()


def admit(channel, attached):
    """Answers who may connect."""
    requests = Requests(admission.AdmitRequest(attach=admission.AdmitAttach(namespaces=["/"])))
    for response in admission_grpc.AdmissionServiceStub(channel).Admit(requests):
        if response.WhichOneof("message") == "attached":
            attached.set()
        elif response.WhichOneof("message") == "question":
            requests.send(admission.AdmitRequest(answer=verdict(response.question)))


def verdict(question):
    answer = admission.AdmitAnswer(question_id=question.id)
    auth = json.loads(question.socket.auth or "{}") or {}
    token = str(auth.get("token", ""))
    if token.startswith("letmein-"):
        answer.accept.CopyFrom(admission.AdmitAccept(user=token.removeprefix("letmein-"), rooms=["chat"]))
    else:
        answer.refuse.CopyFrom(admission.AdmitRefuse(message="who are you?"))
    return answer


class Chat:
    """Handles what clients send."""

    def __init__(self, channel):
        self.emitter = emit_grpc.EmitServiceStub(channel)

    def handle(self, one):
        """Returns what the client's acknowledgement is answered with, as a list."""
        arguments = json.loads(one.received.arguments)
        if one.received.name == "message":
            self.emitter.Emit(emit.EmitRequest(target=ROOM, event="message", arguments=json.dumps([one.user, arguments[0]])))
            return ["sent"]
        asked = emit.EmitWithAckRequest(target=ROOM, event="question", arguments=json.dumps(arguments), timeout=Duration(seconds=5))
        answers = [json.loads(r.answer.arguments)[0] for r in self.emitter.EmitWithAck(asked) if r.WhichOneof("result") == "answer"]
        return [sorted(answers)]


def consume(channel, opened):
    """Is a member of the group, and handles each event once it is delivered, in order."""
    chat = Chat(channel)
    requests = Requests(event.ConsumeRequest(open=event.ConsumeOpen(
        group=os.environ.get("GROUP", "chat-python"), kinds=[event.EVENT_KIND_RECEIVED], event_names=["message", "poll"])))
    for response in event_grpc.EventServiceStub(channel).Consume(requests):
        if response.WhichOneof("message") == "opened":
            opened.set()
        for delivery in response.batch.deliveries:
            settle = event.ConsumeSettle(acks=[delivery.id])
            answer = chat.handle(delivery.event)
            if delivery.event.received.ack_token:
                settle.replies.add(ack_token=delivery.event.received.ack_token, arguments=json.dumps(answer))
            requests.send(event.ConsumeRequest(settle=settle))


def main():
    with grpc.insecure_channel(os.environ.get("REALTIME_GRPC", "127.0.0.1:9090")) as channel:
        attached, opened = threading.Event(), threading.Event()
        threading.Thread(target=admit, args=(channel, attached), daemon=True).start()
        threading.Thread(target=lambda: attached.wait() and opened.wait() and print("ready", flush=True), daemon=True).start()
        consume(channel, opened)


if __name__ == "__main__":
    main()
