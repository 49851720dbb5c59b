// Rooms, targets, and who is there.

import assert from "node:assert/strict";
import { test } from "node:test";

import { modes, polling, websocket } from "./support/clients.mjs";
import { failsWith } from "./support/status.mjs";
import { World } from "./support/world.mjs";

const world = World.forThisFile({ namespaces: "/,/rooms,/many" });

/** some connects as many clients as there are names and returns them by name. */
async function some(names, namespace = "/") {
  const clients = await Promise.all(names.map((_, i) => world.connect(modes[i % modes.length], { namespace }).settled(modes[i % modes.length])));
  return Object.fromEntries(names.map((name, i) => [name, clients[i]]));
}

/** reached emits to a target and returns the names of the clients that got it, each once. */
async function reached(clients, target) {
  const all = Object.values(clients).map(({ id }) => id);
  const { matched } = await world.control.tell(target, "marked");
  // What each gets after it shows that what was to come has come.
  await world.control.tell({ namespace: target.namespace, sockets: all }, "end");
  const names = [];
  for (const [name, client] of Object.entries(clients)) {
    await client.next("end");
    const got = client.events.rest.filter((event) => event.name === "marked").length;
    for (let i = 0; i < got; i++) {
      await client.next("marked");
      names.push(name);
    }
  }
  assert.equal(matched, names.length, `the answer said ${matched}, but ${names} got it`);
  return names.sort().join(" ");
}

test("who joins a room is reached through it, until it leaves", async () => {
  const clients = await some(["ann", "bob", "cid"]);
  const { ann, bob } = clients;
  const join = await world.control.joinRooms({ target: { sockets: [ann.id, bob.id] }, rooms: ["red", "blue"] });
  assert.equal(join.matched, 2);
  assert.equal(await reached(clients, { rooms: ["red"] }), "ann bob");
  const { socket } = await world.control.getSocket({ socketId: ann.id });
  assert.deepEqual(socket.rooms, ["blue", "red"]);

  const leave = await world.control.leaveRooms({ target: { rooms: ["blue"], exceptSockets: [bob.id] }, rooms: ["red"] });
  assert.equal(leave.matched, 1);
  assert.equal(await reached(clients, { rooms: ["red"] }), "bob");
  assert.equal(await reached(clients, { rooms: ["blue"] }), "ann bob");
});

test("a target is a union without duplicates, minus the exceptions", async () => {
  const clients = await some(["ann", "bob", "cid", "dan"]);
  const { ann, bob, cid, dan } = clients;
  await world.control.joinRooms({ target: { sockets: [ann.id, bob.id] }, rooms: ["left"] });
  await world.control.joinRooms({ target: { sockets: [bob.id, cid.id] }, rooms: ["right"] });

  assert.equal(await reached(clients, { rooms: ["left", "right"] }), "ann bob cid");
  assert.equal(await reached(clients, { rooms: ["left"], sockets: [bob.id, dan.id] }), "ann bob dan");
  assert.equal(await reached(clients, { rooms: ["left", "right"], exceptRooms: ["right"] }), "ann");
  assert.equal(await reached(clients, { rooms: ["left", "right"], exceptSockets: [ann.id] }), "bob cid");
  assert.equal(await reached(clients, { exceptRooms: ["left"], exceptSockets: [dan.id] }), "cid");
  assert.equal(await reached(clients, {}), "ann bob cid dan");
  assert.equal(await reached(clients, { rooms: ["nobody"] }), "");
  assert.equal(await reached(clients, { rooms: [dan.id] }), "dan");
  assert.equal(await reached(clients, { rooms: ["left"], exceptRooms: [ann.id] }), "bob");
});

test("users are reached on all of their sockets", async () => {
  await world.admit(["/"], (question) => ({ accept: { user: JSON.parse(question.socket.auth).user } }));
  const [one, two, other] = await Promise.all([["ann", websocket], ["ann", polling], ["bob", websocket]].map(
    ([user, mode]) => world.connect(mode, { auth: { user } }).connected()));
  const clients = { one, two, other };
  assert.equal(await reached(clients, { users: ["ann"] }), "one two");
  assert.equal(await reached(clients, { users: ["ann", "bob"], exceptSockets: [one.id] }), "other two");
  assert.equal(await reached(clients, { users: ["nobody"] }), "");
});

test("a namespace's rooms, ids and events are its own", async () => {
  const main = await some(["ann"]);
  const other = await some(["bob"], "/rooms");
  await world.control.joinRooms({ target: { sockets: [main.ann.id] }, rooms: ["same"] });
  await world.control.joinRooms({ target: { namespace: "/rooms", sockets: [other.bob.id] }, rooms: ["same"] });
  assert.equal(await reached(main, { rooms: ["same"] }), "ann");
  assert.equal(await reached(other, { namespace: "/rooms", rooms: ["same"] }), "bob");
  assert.equal((await world.control.countSockets({ target: { namespace: "/rooms", sockets: [main.ann.id] } })).count, 0);
});

test("rooms are listed with their sizes, in pages", async () => {
  const { ann, bob } = await some(["ann", "bob"], "/many");
  const rooms = Array.from({ length: 25 }, (_, i) => `room ${String(i).padStart(2, "0")}`);
  const namespace = "/many";
  await world.control.joinRooms({ target: { namespace, sockets: [ann.id] }, rooms });
  await world.control.joinRooms({ target: { namespace, sockets: [bob.id] }, rooms: rooms.slice(0, 5) });

  const listed = [];
  let pageToken = "";
  let pages = 0;
  do {
    const page = await world.control.listRooms({ namespace, pageSize: 10, pageToken });
    listed.push(...page.rooms);
    pageToken = page.nextPageToken;
    pages++;
  } while (pageToken !== "");
  assert.equal(pages, 3);
  assert.deepEqual(listed, rooms.map((name, i) => ({ name, sockets: i < 5 ? 2 : 1 })));
  assert.deepEqual((await world.control.listRooms({ namespace })).rooms.length, 25);
});

test("a room is gone with its last socket, and the last event says which rooms there were", async () => {
  const watch = await world.watch();
  const { ann } = await some(["ann"], "/rooms");
  const { id } = ann;
  await world.control.joinRooms({ target: { namespace: "/rooms", sockets: [id] }, rooms: ["b", "a"] });
  ann.close();
  assert.deepEqual((await watch.disconnected(id)).rooms, ["a", "b"]);
  const { rooms } = await world.control.listRooms({ namespace: "/rooms" });
  assert.deepEqual(rooms.filter(({ name }) => name === "a" || name === "b"), []);
  await failsWith(world.control.getSocket({ namespace: "/rooms", socketId: id }), { code: "NOT_FOUND", reason: "SOCKET_NOT_FOUND" });
  const { matched } = await world.control.joinRooms({ target: { namespace: "/rooms", sockets: [id] }, rooms: ["a"] });
  assert.equal(matched, 0);
});

test("sockets are listed and counted by target", async () => {
  const clients = await some(["ann", "bob", "cid"]);
  const { ann, bob, cid } = clients;
  await world.control.joinRooms({ target: { sockets: [ann.id, bob.id] }, rooms: ["listed"] });
  const target = { rooms: ["listed"], sockets: [cid.id] };
  assert.equal((await world.control.countSockets({ target })).count, 3);
  const listed = await world.control.listSockets(target);
  assert.deepEqual(listed.map(({ id }) => id).sort(), [ann.id, bob.id, cid.id].sort());
  assert.deepEqual(listed.find(({ id }) => id === bob.id).rooms, ["listed"]);
  assert.deepEqual(await world.control.listSockets({ rooms: ["nobody"] }), []);
});

test("five hundred sockets are listed, each once", async () => {
  const main = await Promise.all(Array.from({ length: 500 }, () => world.connect(websocket, { namespace: "/many" }).connected()));
  const listed = await world.control.listSockets({ namespace: "/many" });
  assert.deepEqual(listed.map(({ id }) => id).sort(), main.map(({ id }) => id).sort());
});

test("a volatile event reaches who can be written to and nobody else", async () => {
  const { ready, parked } = { ready: await world.connect(websocket).connected(), parked: await world.connect(polling).connected() };
  const target = { sockets: [ready.id] };
  await world.control.tell(target, "before");
  await ready.next("before");
  const { matched, delivered } = await world.control.tell(target, "maybe", [], { volatile: true });
  assert.deepEqual({ matched, delivered }, { matched: 1, delivered: 1 });
  await ready.next("maybe");

  // Two in a row: the first takes the poll that waits, and until the next poll comes there is nothing to write the second to.
  const [first, second] = await Promise.all([1, 2].map((n) => world.control.tell({ sockets: [parked.id] }, "maybe", [n], { volatile: true })));
  assert.ok(first.delivered + second.delivered <= 2);
  await world.control.tell({ sockets: [parked.id] }, "end");
  await parked.next("end");
  assert.equal(parked.events.rest.length, first.delivered + second.delivered);
});

test("what is wrong with a target or a room is said", async () => {
  const wrong = (call, ...fields) => failsWith(call, { code: "INVALID_ARGUMENT", fields });
  const { joinRooms, leaveRooms, listRooms, getSocket, countSockets, disconnectSockets } = world.control;
  await wrong(joinRooms({ rooms: ["a"] }), "target");
  await wrong(joinRooms({ target: {} }), "rooms");
  await wrong(leaveRooms({ target: {}, rooms: ["ok", "", "x".repeat(257)] }), "rooms[1]", "rooms[2]");
  await wrong(listRooms({ pageSize: 1001, pageToken: "nonsense" }), "page_size", "page_token");
  await wrong(getSocket({ socketId: "short" }), "socket_id");
  await wrong(countSockets({ target: { sockets: ["short"], users: [""], exceptRooms: [""], exceptSockets: ["x"] } }),
    "target.sockets[0]", "target.users[0]", "target.except_rooms[0]", "target.except_sockets[0]");
  await wrong(disconnectSockets({}), "target");

  const unknown = { code: "NOT_FOUND", reason: "NAMESPACE_NOT_FOUND" };
  await failsWith(joinRooms({ target: { namespace: "/no" }, rooms: ["a"] }), unknown);
  await failsWith(listRooms({ namespace: "/no" }), unknown);
  await failsWith(getSocket({ namespace: "/no", socketId: "x".repeat(20) }), unknown);
});
