// A member of a consumer group that is a process of its own, to be killed: node worker.mjs ADDRESS OPEN HANDLER. OPEN is ConsumeOpen as JSON,
// HANDLER what becomes of deliveries: "hold" settles none, "ack" each, "reply" and "answer" answer each with its own arguments. It writes a line of JSON
// for each delivery, but as "answer".

import { Control } from "./control.mjs";

const [address, open, handler] = process.argv.slice(2);
const member = await new Control(address).consume(JSON.parse(open));
const say = (what) => process.stdout.write(`${JSON.stringify(what)}\n`);
say({ opened: true });
for (;;) {
  const { id, attempt, event } = await member.take();
  const replies = ["reply", "answer"].includes(handler) && event.received?.ackToken ? [{ ackToken: event.received.ackToken, arguments: event.received.arguments }] : [];
  if (handler !== "hold") member.settle({ acks: [id], replies });
  if (handler !== "answer") say({ id, attempt, kind: event.kind, socket: event.socketId, arguments: event.received?.arguments });
}
