// The gRPC side as a tool sees it that knows nothing in advance: reflection, health, and errors that say what is wrong.

import assert from "node:assert/strict";
import { test } from "node:test";

import { websocket } from "./support/clients.mjs";
import { Reflection } from "./support/reflection.mjs";
import { statusOf } from "./support/status.mjs";
import { World } from "./support/world.mjs";

const world = World.forThisFile();

/** reflection asks the service under test, with stubs that are closed after the test. */
function reflection() {
  const asked = world.adopt(new Reflection(world.service.grpc));
  return {
    services: () => asked.services(),
    stub: async (name) => world.adopt(await asked.stub(name)),
  };
}

const call = (stub, method, request) => new Promise((resolve, reject) => {
  stub[method](request, { deadline: Date.now() + 10_000 }, (error, response) => (error ? reject(error) : resolve(response)));
});

test("reflection lists every service", async () => {
  const services = await reflection().services();
  for (const name of ["Admission", "Emit", "Event", "Room", "Socket"]) assert.ok(services.includes(`realtime.v1.${name}Service`), `${services}`);
  assert.ok(services.includes("grpc.health.v1.Health"), `${services}`);
});

test("reflection is enough to send an event", async () => {
  const client = await world.connect(websocket).connected();
  const stub = await reflection().stub("realtime.v1.EmitService");
  const { matched, delivered } = await call(stub, "Emit", { target: { sockets: [client.id] }, event: "news", arguments: '["it works"]' });
  assert.deepEqual({ matched, delivered }, { matched: 1, delivered: 1 });
  assert.deepEqual((await client.next("news")).args, ["it works"]);
});

test("a wrong request is refused with everything that is wrong with it", async () => {
  const stub = await reflection().stub("realtime.v1.EmitService");
  const request = { target: { rooms: ["ok", ""], sockets: ["short"] }, event: "connect", arguments: "{}" };
  const { code, message, violations } = await call(stub, "Emit", request).then(() => assert.fail("it was accepted"), statusOf);
  assert.equal(code, "INVALID_ARGUMENT");
  assert.notEqual(message, "");
  assert.deepEqual(Object.keys(violations).sort(), ["arguments", "event", "target.rooms[1]", "target.sockets[0]"]);
  for (const description of Object.values(violations)) assert.notEqual(description, "");
});

test("what is not there is named", async () => {
  const stub = await reflection().stub("realtime.v1.EmitService");
  const said = await call(stub, "Emit", { target: { namespace: "/nowhere" }, event: "e" }).then(() => assert.fail("it was accepted"), statusOf);
  const { code, reason, domain, metadata } = said;
  assert.deepEqual([code, reason, domain, metadata], ["NOT_FOUND", "NAMESPACE_NOT_FOUND", "realtime-svc", { namespace: "/nowhere" }]);
});

test("health says that it serves", async () => {
  const stub = await reflection().stub("grpc.health.v1.Health");
  assert.equal((await call(stub, "Check", {})).status, "SERVING");
  const said = await call(stub, "Check", { service: "no.such.Service" }).then(() => assert.fail("it was accepted"), statusOf);
  assert.equal(said.code, "NOT_FOUND");
});

test("an unknown method is unimplemented", async () => {
  const stub = await reflection().stub("realtime.v1.EmitService");
  const error = await new Promise((resolve) => {
    stub.makeUnaryRequest("/realtime.v1.EmitService/Nothing", () => Buffer.alloc(0), (bytes) => bytes, {}, resolve);
  });
  assert.equal(statusOf(error).code, "UNIMPLEMENTED");
});

test("the admin listener tells of health, readiness and numbers", async () => {
  const get = async (path) => {
    const response = await fetch(`http://${world.service.admin}${path}`);
    return { status: response.status, text: await response.text() };
  };
  assert.equal((await get("/healthz")).status, 200);
  assert.equal((await get("/readyz")).status, 200);
  const { status, text } = await get("/metrics");
  assert.equal(status, 200);
  assert.match(text, /^# HELP /m);
  assert.match(text, /^realtime_\w+/m);
  assert.equal((await get("/nothing")).status, 404);
});
