// The service ends, in good order or not, and comes back: so do the clients.

import assert from "node:assert/strict";
import { afterEach, describe, test } from "node:test";

import { Client, modes, websocket } from "./support/clients.mjs";
import { Control } from "./support/control.mjs";
import { eventually, within } from "./support/inbox.mjs";
import { fixedAddresses, Service } from "./support/service.mjs";
import { statusOf } from "./support/status.mjs";

const QUICK = { reconnection: true, reconnectionDelay: 50, reconnectionDelayMax: 200 };

const opened = [];
const adopt = (closable) => {
  opened.push(closable);
  return closable;
};

afterEach(async (t) => {
  const services = opened.filter((one) => one instanceof Service);
  if (t.passed === false) for (const service of services) console.error(`${t.name} failed\n${service.tail()}`);
  for (const closable of opened.splice(0).reverse()) await closable.close();
});

/** restartable starts a service that comes back under the same addresses. */
async function restartable(flags = {}) {
  return adopt(await Service.start({ ...(await fixedAddresses()), ...flags }));
}

/** three connects a client in each mode. */
const three = (service) => Promise.all(modes.map((mode) => adopt(Client.connect(service.url, mode, QUICK)).settled(mode)));

/** proven checks that a client is reached and heard. */
async function proven(control, client) {
  const watch = await control.watch({ eventNames: ["up"] });
  client.emit("up");
  await watch.received(client.id, "up");
  watch.close();
  await control.tell({ sockets: [client.id] }, "down");
  await client.next("down");
}

describe("the service is killed", () => {
  test("clients notice, come back when it does, and work as before", async () => {
    const service = await restartable();
    const clients = await three(service);
    const ids = clients.map(({ id }) => id);
    await service.kill();
    for (const client of clients) assert.match((await client.disconnected()).reason, /^transport (close|error)$/);

    await service.restart();
    const control = adopt(new Control(service.grpc));
    for (const [i, client] of clients.entries()) {
      await client.cameBack();
      assert.notEqual(client.id, ids[i]);
      await proven(control, client);
    }
  });

  test("what a client sends meanwhile is sent when it is back", async () => {
    const service = await restartable();
    const clients = await three(service);
    await service.kill();
    for (const client of clients) {
      await client.disconnected();
      client.emit("kept", "text");
    }
    // The watcher must be there before the clients are: it cannot see what was before it.
    await service.restart({ admissionPolicy: "deny" });
    const control = adopt(new Control(service.grpc));
    const watch = await control.watch({ eventNames: ["kept"] });
    await control.admit(["/"], () => ({ accept: {} }));
    for (const client of clients) {
      await comeIn(client);
      assert.equal((await watch.received(client.id, "kept")).arguments, '["text"]');
    }
  });

  test("a token of the time before is not good any more, and says so", async () => {
    const service = await restartable();
    const control = adopt(new Control(service.grpc));
    const client = await adopt(Client.connect(service.url, websocket, QUICK)).connected();
    const watch = await control.watch();
    client.socket.emit("q", () => {});
    const { ackToken } = await watch.received(client.id, "q");
    await service.kill();
    assert.equal(statusOf(await within(watch.ended, "the Watch to end")).code, "UNAVAILABLE");
    await service.restart();
    const error = await eventually(() => control.reply({ ackToken }).then(
      () => assert.fail("the token was accepted"),
      (failure) => statusOf(failure).code !== "UNAVAILABLE" && failure,
    ), "the control connection to come back");
    assert.deepEqual([statusOf(error).code, statusOf(error).reason], ["NOT_FOUND", "NODE_NOT_FOUND"]);
  });
});

/** comeIn waits until a client that is turned away while nobody admits is let in. */
async function comeIn(client) {
  client.socket.on("connect_error", () => {
    if (!client.socket.active) client.socket.connect();
  });
  if (!client.socket.active && !client.socket.connected) client.socket.connect();
  await client.cameBack();
}

describe("the service is told to end", () => {
  test("clients are sent away so that they come back, and it exits with 0 in time", async () => {
    const service = await restartable({ gracePeriod: "10s" });
    const clients = await three(service);
    const control = adopt(new Control(service.grpc));
    const watch = await control.watch();
    const ids = clients.map(({ id }) => id);

    const { code, ms } = await service.terminate();
    assert.equal(code, 0, service.tail());
    assert.ok(ms < 5_000, `it took ${ms} ms`);
    for (const client of clients) {
      const { reason } = await client.disconnected();
      assert.equal(reason, "transport close");
      assert.equal(client.socket.active, true, "the client comes back by itself");
    }
    for (const id of ids) assert.equal((await watch.disconnected(id)).reason, "SHUTTING_DOWN");
    const ended = statusOf(await within(watch.ended, "the Watch to end"));
    assert.deepEqual([ended.code, ended.reason], ["UNAVAILABLE", "SHUTTING_DOWN"]);
    assert.ok(ended.retry, "when to try again is said");

    await service.restart();
    const again = adopt(new Control(service.grpc));
    for (const client of clients) {
      await client.cameBack();
      await proven(again, client);
    }
  });

  test("a question that is open is not waited for", async () => {
    const service = await restartable({ gracePeriod: "10s" });
    const control = adopt(new Control(service.grpc));
    const client = await adopt(Client.connect(service.url, websocket, QUICK)).connected();
    const asking = control.emitWithAck({ target: {}, event: "q", timeout: { seconds: 60 } }).then(() => null, (error) => error);
    const { ack } = await client.next("q");
    assert.ok(ack);
    const { code, ms } = await service.terminate();
    assert.equal(code, 0, service.tail());
    assert.ok(ms < 5_000, `it took ${ms} ms`);
    const error = await asking;
    if (error) assert.equal(statusOf(error).code, "UNAVAILABLE");
  });

  /** stall has a client stop reading, and waits until something waits for it in the service. */
  async function stall(service) {
    const control = adopt(new Control(service.grpc));
    const client = await adopt(Client.connect(service.url, websocket)).connected();
    const { ws } = client.engine.transport;
    ws.pause();
    adopt({ close: () => ws.terminate() });
    const padding = "x".repeat(500_000);
    while ((await control.tell({}, "n", [padding], { volatile: true })).delivered === 1);
    await control.tell({}, "n", [padding]);
    return control;
  }

  test("a client that does not read is not waited for beyond the grace period, and spoils the end of nobody else", async () => {
    const service = await restartable({ gracePeriod: "4s", pingInterval: "1h", pingTimeout: "1h" });
    const control = await stall(service);
    const watch = await control.watch();
    const { code, ms } = await service.terminate();
    assert.ok(ms < 8_000, `it took ${ms} ms`);
    assert.equal(code, 0, service.tail());
    assert.equal(statusOf(await within(watch.ended, "the Watch to end")).reason, "SHUTTING_DOWN");
  });

  test("a second signal ends it at once", async () => {
    const service = await restartable({ gracePeriod: "1h", pingInterval: "1h", pingTimeout: "1h" });
    await stall(service);
    service.signal("SIGTERM");
    await service.logged("stopping");
    const { code, ms } = await service.terminate();
    assert.equal(code, 1, service.tail());
    assert.ok(ms < 5_000, `it took ${ms} ms`);
  });
});

test("clients of a service that hangs give it up and come back when it goes on", async () => {
  const service = await restartable({ pingInterval: "300ms", pingTimeout: "500ms" });
  const control = adopt(new Control(service.grpc));
  const clients = await three(service);
  service.signal("SIGSTOP");
  try {
    for (const client of clients) assert.equal((await client.disconnected()).reason, "ping timeout");
  } finally {
    service.signal("SIGCONT");
  }
  for (const client of clients) {
    await client.cameBack();
    await proven(control, client);
  }
});
