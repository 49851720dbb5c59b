// A chat backend: admits clients, consumes their events in a group, emits to a room, and asks clients.

import type { MessageInitShape } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { AdmissionService, type AdmitAnswerSchema, type AdmitQuestion, type AdmitRequestSchema } from "@realtime-svc/client/admission_service";
import { EmitService } from "@realtime-svc/client/emit_service";
import type { Event } from "@realtime-svc/client/event";
import { type ConsumeRequestSchema, EventKind, EventService } from "@realtime-svc/client/event_service";

import { Outbox } from "./outbox.js";

const transport = createGrpcTransport({ baseUrl: `http://${process.env.REALTIME_GRPC ?? "127.0.0.1:9090"}` });
const emitter = createClient(EmitService, transport);
const room = { rooms: ["chat"] };

/** admit answers who may connect. */
async function admit(attached: () => void): Promise<void> {
  const requests = new Outbox<MessageInitShape<typeof AdmitRequestSchema>>();
  requests.send({ message: { case: "attach", value: { namespaces: ["/"] } } });
  for await (const { message } of createClient(AdmissionService, transport).admit(requests)) {
    if (message.case === "attached") attached();
    if (message.case === "question") requests.send({ message: { case: "answer", value: verdict(message.value) } });
  }
}

function verdict(question: AdmitQuestion): MessageInitShape<typeof AdmitAnswerSchema> {
  const auth = question.subject.case === "socket" ? question.subject.value.auth : "";
  const user = /^letmein-(.+)$/.exec(String(JSON.parse(auth || "null")?.token))?.[1];
  return {
    questionId: question.id,
    verdict: user ? { case: "accept", value: { user, rooms: ["chat"] } } : { case: "refuse", value: { message: "who are you?" } },
  };
}

/** handle resolves to what the client's acknowledgement is answered with. */
async function handle(event: Event): Promise<unknown[]> {
  if (event.kind.case !== "received") return [];
  const { name, arguments: text } = event.kind.value;
  if (name === "message") {
    await emitter.emit({ target: room, event: "message", arguments: JSON.stringify([event.user, JSON.parse(text)[0]]) });
    return ["sent"];
  }
  const answers: string[] = [];
  for await (const { result } of emitter.emitWithAck({ target: room, event: "question", arguments: text, timeout: { seconds: 5n } })) {
    if (result.case === "answer") answers.push(JSON.parse(result.value.arguments)[0]);
  }
  return [answers.sort()];
}

/** consume is a member of the group, and handles what is delivered, in order. */
async function consume(opened: () => void): Promise<void> {
  const requests = new Outbox<MessageInitShape<typeof ConsumeRequestSchema>>();
  const group = process.env.GROUP ?? "chat-typescript";
  requests.send({ message: { case: "open", value: { group, kinds: [EventKind.RECEIVED], eventNames: ["message", "poll"] } } });
  for await (const { message } of createClient(EventService, transport).consume(requests)) {
    if (message.case === "opened") opened();
    if (message.case !== "batch") continue;
    for (const { id, event } of message.value.deliveries) {
      const answer = await handle(event!);
      const ackToken = event!.kind.case === "received" ? event!.kind.value.ackToken : "";
      const replies = ackToken ? [{ ackToken, arguments: JSON.stringify(answer) }] : [];
      requests.send({ message: { case: "settle", value: { acks: [id], replies } } });
    }
  }
}

let waiting = 2;
const ready = () => --waiting === 0 && console.log("ready");
await Promise.all([admit(ready), consume(ready)]);
