// Who may come in: a service decides.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { bundle, launch } from "./support/browser.mjs";
import { Client, modes, polling, upgrading, websocket } from "./support/clients.mjs";
import { Control } from "./support/control.mjs";
import { Service } from "./support/service.mjs";
import { failsWith } from "./support/status.mjs";
import { World } from "./support/world.mjs";

const world = World.forThisFile({
  namespaces: "/,/open,/shut", admissionPolicy: "deny", admissionTimeout: "500ms", keepHeaders: "user-agent,x-token",
  admissionHeaders: "authorization",
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

/** What the stock client makes of a handshake that is refused with these words: it shows the words of polling only. */
const refusedHandshake = {
  polling: (words) => ({ message: "xhr poll error", status: 403, body: JSON.stringify({ code: 4, message: words }) }),
  websocket: () => ({ message: "websocket error" }),
};

/** heard resolves to the part of a client's connect_error that says why. The answer's text can be read while the client reports it, not later. */
async function heard(client) {
  let body;
  client.socket.on("connect_error", ({ context }) => (body = context?.responseText));
  const { message, description } = await client.refused();
  return message === "xhr poll error" ? { message, status: description, body } : { message };
}

describe("handshakes", () => {
  const BOTH = { handshakes: true };

  for (const mode of modes) {
    test(`who is refused, with ${mode.name}`, async () => {
      await world.admit([], () => ({ refuse: { message: "not <you>" } }), BOTH);
      assert.deepEqual(await heard(world.connect(mode)), refusedHandshake[mode.transports[0]]("not <you>"));
    });

    test(`a service sees who begins a session, once, with ${mode.name}`, async () => {
      const admission = await world.admit([], () => ({ accept: {} }), BOTH);
      const extraHeaders = { "x-token": "kept", authorization: "Bearer secret" };
      await world.connect(mode, { extraHeaders, query: { page: "7" } }).settled(mode);
      const { subject, handshake } = await admission.questions.take();
      assert.equal(subject, "handshake");
      assert.equal(handshake.transport, mode.transports[0]);
      assert.equal(handshake.handshake.query.page, "7");
      assert.equal(handshake.handshake.headers["x-token"], "kept");
      assert.equal(handshake.handshake.headers.authorization, "Bearer secret");
      const { subject: second, socket } = await admission.questions.take();
      assert.equal(second, "socket");
      assert.equal(socket.handshake.headers["x-token"], "kept");
      assert.equal(socket.handshake.headers.authorization, undefined);
      assert.equal(admission.questions.rest.length, 0);
    });
  }

  test("who was refused may try again", async () => {
    let tries = 0;
    const decide = ({ subject }) => (subject === "handshake" && ++tries === 1 ? { refuse: { message: "not yet" } } : { accept: {} });
    await world.admit([], decide, BOTH);
    const client = world.connect(polling, { reconnection: true, reconnectionDelay: 10 });
    await client.refused();
    await client.cameBack();
    assert.equal(tries, 2);
  });

  test("an answer that says more than yes or no is not valid", async () => {
    const admission = await world.admit([], () => ({ accept: { user: "ann", rooms: ["a"] } }), BOTH);
    assert.deepEqual(await heard(world.connect(polling)), refusedHandshake.polling("admission failed"));
    const { violations } = await admission.rejected.take();
    assert.deepEqual(violations.map(({ field }) => field), ["answer.accept.user", "answer.accept.rooms"]);
  });

  test("the questions of a service that leaves go to the others that decide on handshakes", async () => {
    const silent = await world.admit([], () => null, BOTH);
    const sockets = await world.admit([], () => ({ accept: {} }));
    const deciding = await world.admit([], () => ({ accept: {} }), BOTH);
    const clients = [1, 2, 3, 4].map(() => world.connect(websocket));
    await silent.questions.take();
    await silent.questions.take();
    await silent.leave();
    await Promise.all(clients.map((client) => client.connected()));
    assert.equal(deciding.questions.rest.filter(({ subject }) => subject === "handshake").length, 4);
    assert.deepEqual(sockets.questions.rest.filter(({ subject }) => subject !== "socket"), []);
  });
});

describe("while nobody decides in time", () => {
  const anyone = async () => {};
  const silent = (options) => (control) => control.admit([], () => null, options);
  for (const [name, flags, attach, handshake, connect] of [
    ["everybody is let in", {}, anyone, null, null],
    ["nobody may connect", { admissionPolicy: "deny" }, anyone, null, "admission unavailable"],
    ["nobody may begin", { handshakePolicy: "deny" }, anyone, "admission unavailable", null],
    ["neither", { handshakePolicy: "deny", admissionPolicy: "deny" }, anyone, "admission unavailable", null],
    ["a service is silent about sockets", {}, silent(), null, "admission timed out"],
    ["a service is silent about sockets, and nobody may begin", { handshakePolicy: "deny" }, silent(), "admission unavailable", null],
    ["a service is silent about handshakes", {}, silent({ handshakes: true }), "admission timed out", null],
    ["a service is silent, and nobody may begin", { handshakePolicy: "deny" }, silent({ handshakes: true }), "admission timed out", null],
  ]) {
    test(name, async () => {
      const service = world.adopt(await Service.start({ admissionTimeout: "100ms", ...flags }));
      await attach(world.adopt(new Control(service.grpc)));
      for (const mode of [polling, websocket, upgrading]) {
        const client = world.adopt(Client.connect(service.url, mode));
        if (handshake) assert.deepEqual(await heard(client), refusedHandshake[mode.transports[0]](handshake));
        else if (connect) assert.equal((await client.refused()).message, connect);
        else await client.settled(mode);
      }
    });
  }
});

test("a browser hears the same", async () => {
  const decide = ({ subject }) => (subject === "handshake" ? { accept: {} } : { refuse: { message: "you may not" } });
  const browser = await launch();
  try {
    const page = await browser.newPage();
    await page.goto(world.service.url); // a 404 as well: it is the page's origin that matters
    await page.addScriptTag({ path: bundle });
    const connect = (transports) => page.evaluate((transports) => new Promise((resolve) => {
      const socket = window.io({ forceNew: true, reconnection: false, transports });
      socket.on("connect_error", ({ message, description: status, context }) => {
        resolve(message === "xhr poll error" ? { message, status, body: context.responseText } : { message });
        socket.close();
        socket.io.engine?.close();
      });
    }), transports);
    for (const transport of ["polling", "websocket"]) {
      const refusing = await world.admit([], () => ({ refuse: { message: "closed" } }), { handshakes: true });
      assert.deepEqual(await connect([transport]), refusedHandshake[transport]("closed"));
      await refusing.leave();
      const choosing = await world.admit([], decide, { handshakes: true });
      assert.equal((await connect([transport])).message, "you may not");
      await choosing.leave();
    }
  } finally {
    await browser.close();
  }
});
