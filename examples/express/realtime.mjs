// The service's side of realtime-svc: who may connect, what clients send, and what they are told. Everything goes over gRPC.

import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";

import grpc from "@grpc/grpc-js";
import loader from "@grpc/proto-loader";

const proto = fileURLToPath(new URL("../../proto/", import.meta.url));
const files = ["admission_service", "emit_service", "event_service", "socket_service"].map((name) => `realtime/v1/${name}.proto`);
const { realtime } = grpc.loadPackageDefinition(loader.loadSync(files, { includeDirs: [proto], longs: String, enums: String, defaults: true, oneofs: true }));

/** Realtime is the connection to realtime-svc. */
export class Realtime {
  #clients;

  constructor(address) {
    const client = (Service) => new Service(address, grpc.credentials.createInsecure());
    const { AdmissionService, EmitService, EventService, SocketService } = realtime.v1;
    this.#clients = {
      admission: client(AdmissionService), emit: client(EmitService), events: client(EventService), sockets: client(SocketService),
    };
  }

  /** emit sends an event to whoever target selects, e.g. {rooms: ["a"]} or {sockets: [id]}; it resolves to how many got it. */
  async emit(target, event, ...args) {
    const { delivered } = await this.#call("emit", "emit", { target, event, arguments: JSON.stringify(args) });
    return delivered;
  }

  /** disconnect ends the sockets that target selects. */
  disconnect(target) {
    return this.#call("sockets", "disconnectSockets", { target });
  }

  /** admit asks decide({auth, headers}) about each client, which resolves to {user, rooms} or throws what the client is told. Never returns. */
  admit(decide) {
    return this.#forever(() => {
      const stream = this.#clients.admission.admit();
      stream.on("data", async ({ question }) => {
        if (!question?.socket) return;
        const { auth, handshake } = question.socket;
        const verdict = await decide({ auth: JSON.parse(auth || "null"), headers: handshake.headers }).then(
          (accept) => ({ accept }),
          (error) => ({ refuse: { message: error.message } }),
        );
        stream.write({ answer: { questionId: question.id, ...verdict } });
      });
      stream.write({ attach: { namespaces: ["/"] } });
      return stream;
    });
  }

  /**
   * consume is a member of a group: handlers[name](event, ...args) gets what clients send, one event after the other for each socket, and at least
   * once; what it returns is what the client's acknowledgement is answered with. Never returns.
   */
  consume(group, handlers) {
    return this.#forever(() => {
      const stream = this.#clients.events.consume();
      const last = new Map(); // of each socket, what is being handled
      stream.on("data", ({ batch }) => {
        for (const { id, event } of batch?.deliveries ?? []) {
          const turn = (last.get(event.socketId) ?? Promise.resolve()).then(async () => {
            const { name, arguments: text, ackToken } = event.received;
            try {
              const answer = await handlers[name](event, ...JSON.parse(text));
              stream.write({ settle: { acks: [id], replies: ackToken ? [{ ackToken, arguments: JSON.stringify([answer ?? null]) }] : [] } });
            } catch (error) {
              console.error(`${name} of ${event.user}: ${error.message}`);
              stream.write({ settle: { nacks: [{ deliveryId: id, delay: { seconds: 1 } }] } });
            }
            if (last.get(event.socketId) === turn) last.delete(event.socketId);
          });
          last.set(event.socketId, turn);
        }
      });
      stream.write({ open: { group, kinds: ["EVENT_KIND_RECEIVED"], eventNames: Object.keys(handlers) } });
      return stream;
    });
  }

  /** forever opens a stream again and again: realtime-svc may restart. */
  async #forever(open) {
    for (let wait = 250; ; wait = Math.min(wait * 2, 10_000)) {
      const begun = Date.now();
      const error = await new Promise((resolve) => open().on("error", resolve).on("end", resolve));
      if (Date.now() - begun > 10_000) wait = 250;
      console.error(`realtime-svc: ${error?.message ?? "the stream has ended"}; again in ${wait} ms`);
      await pause(wait);
    }
  }

  #call(service, method, request) {
    return new Promise((resolve, reject) => {
      const deadline = new Date(Date.now() + 5_000);
      this.#clients[service][method](request, { deadline }, (error, response) => (error ? reject(error) : resolve(response)));
    });
  }
}
