// Who may come in: a service decides.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { modes, websocket } from "./support/clients.mjs";
import { failsWith } from "./support/status.mjs";
import { World } from "./support/world.mjs";

const world = World.forThisFile({
  namespaces: "/,/open,/shut", admissionPolicy: "deny", admissionTimeout: "500ms", keepHeaders: "user-agent,x-token",
});

for (const mode of modes) {
  describe(mode.name, () => {
    test("who is refused hears why", async () => {
      const data = { code: 403, hint: "<log in> \u2028", retry: null };
      await world.admit(["/"], () => ({ refuse: { message: "you may not", data: JSON.stringify(data) } }));
      const error = await world.connect(mode).refused();
      assert.equal(error.message, "you may not");
      assert.deepEqual(error.data, data);
    });

    test("a refusal needs no data", async () => {
      await world.admit(["/"], () => ({ refuse: { message: "no" } }));
      const error = await world.connect(mode).refused();
      assert.equal(error.message, "no");
      assert.equal(error.data, undefined);
    });

    test("who is let in has its user, its rooms and its data from the first moment", async () => {
      const accept = { user: "ann", rooms: ["team", "all"], data: '{"level":3,"name":"Ännchen"}' };
      const admission = await world.admit(["/"], () => ({ accept }));
      const watch = await world.watch();
      const client = await world.connect(mode, { auth: { token: "t" }, extraHeaders: { "x-token": "h" } }).settled(mode);

      const question = await admission.questions.take();
      assert.equal(question.subject, "socket");
      assert.equal(question.socket.namespace, "/");
      assert.equal(question.socket.socketId, client.id);
      assert.equal(question.socket.auth, '{"token":"t"}');
      assert.equal(question.socket.handshake.headers["x-token"], "h");
      assert.ok(Number(question.deadline.seconds) > 0);

      for (const socket of [(await watch.connected(client.id)).socket, (await world.control.getSocket({ socketId: client.id })).socket]) {
        assert.equal(socket.user, "ann");
        assert.deepEqual(socket.rooms, ["all", "team"]);
        assert.equal(socket.data, accept.data);
      }
      const { matched } = await world.control.tell({ rooms: ["team"], users: ["ann"] }, "welcome");
      assert.equal(matched, 1);
      await client.next("welcome");
    });

    test("what is emitted to its rooms while it hears that it is in comes after that", async () => {
      await world.admit(["/"], () => ({ accept: { rooms: ["early"] } }));
      const watch = await world.watch();
      const client = world.connect(mode);
      const order = [];
      client.socket.on("connect", () => order.push("connect"));
      client.socket.on("first", () => order.push("first"));
      await watch.take({ kind: "connected" });
      await world.control.tell({ rooms: ["early"] }, "first");
      await client.connected();
      await client.next("first");
      assert.deepEqual(order, ["connect", "first"]);
    });
  });
}

test("who was refused may try again on the same connection", async () => {
  let tries = 0;
  await world.admit(["/"], () => (++tries === 1 ? { refuse: { message: "not yet" } } : { accept: {} }));
  const client = world.connect(websocket);
  await client.refused();
  client.socket.connect();
  await client.connected();
  assert.equal(tries, 2);
});

test("nobody is let in without an answer in time", async () => {
  await world.admit(["/"], () => null);
  const error = await world.connect(websocket).refused();
  assert.equal(error.message, "admission timed out");
});

test("nobody is let in while nobody decides, if that is the policy", async () => {
  await world.admit(["/open"], () => ({ accept: {} }));
  assert.equal((await world.connect(websocket, { namespace: "/shut" }).refused()).message, "admission unavailable");
  await world.connect(websocket, { namespace: "/open" }).connected();
});

test("an answer that is not valid refuses its client, says what is wrong, and stops nobody else", async () => {
  const admission = await world.admit([], ({ socket }) => ({ accept: socket.auth ? {} : { rooms: ["ok", ""], data: "{" } }));
  const error = await world.connect(websocket).refused();
  assert.equal(error.message, "admission failed");
  const question = await admission.questions.take();
  const { questionId, violations } = await admission.rejected.take();
  assert.equal(questionId, question.id);
  assert.deepEqual(violations.map(({ field }) => field).sort(), ["answer.accept.data", "answer.accept.rooms[1]"]);
  await world.connect(websocket, { auth: { good: true } }).connected();
});

test("questions are shared out, and those of a service that leaves go to the others", async () => {
  const silent = await world.admit([], () => null);
  const answering = await world.admit([], () => ({ accept: {} }));
  const clients = [1, 2, 3, 4].map(() => world.connect(websocket));
  await silent.questions.take();
  await silent.questions.take();
  await silent.leave();
  await Promise.all(clients.map((client) => client.connected()));
  assert.equal(answering.questions.rest.length, 4);
});

test("a client that goes while it is asked about does not come in", async () => {
  const watch = await world.watch();
  const admission = await world.admit(["/"], () => null);
  const gone = world.connect(websocket);
  const { id, socket } = await admission.questions.take();
  gone.close();
  const next = world.connect(websocket);
  const { id: nextId } = await admission.questions.take();
  admission.answer(id, { accept: {} });
  admission.answer(nextId, { accept: {} });
  await next.connected();
  await watch.connected(next.id);
  assert.deepEqual(watch.events.rest.filter(({ socketId }) => socketId === socket.socketId), []);
});

test("a wrong attachment is refused", async () => {
  const attach = (namespaces) => world.control.admit(namespaces, () => null);
  await failsWith(attach(["/nowhere"]), { code: "NOT_FOUND", reason: "NAMESPACE_NOT_FOUND" });
  await failsWith(attach(new Array(1_001).fill("/")), { code: "INVALID_ARGUMENT", fields: ["attach.namespaces"] });
});
