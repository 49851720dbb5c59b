// The official Admin UI in a real browser, and its protocol with the stock client.

import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { after, before, describe, test } from "node:test";

import bcrypt from "bcryptjs";

import { out } from "./support/binaries.mjs";
import { launch } from "./support/browser.mjs";
import { Client, polling, websocket } from "./support/clients.mjs";
import { Control } from "./support/control.mjs";
import { Service } from "./support/service.mjs";

const ui = join(dirname(createRequire(import.meta.url).resolve("@socket.io/admin-ui/package.json")), "ui", "dist");
const credentials = { username: "admin", password: "correct horse" };
const flags = { namespaces: "/,/chat", adminUi: "full", adminUiUsername: "admin", adminUiPasswordHash: bcrypt.hashSync(credentials.password, 6), webRoot: ui };

describe("the protocol of the Admin UI", () => {
  let service;
  const clients = [];
  const connect = (mode = websocket, options = {}) => {
    clients.push(Client.connect(service.url, mode, options));
    return clients.at(-1);
  };
  const admin = (auth = credentials, mode = websocket) => connect(mode, { namespace: "/admin", auth });

  before(async () => {
    service = await Service.start(flags);
  });
  after(async () => {
    for (const client of clients) client.close();
    await service.close();
  });

  test("nobody is let in without the password, and a login is good again", async () => {
    for (const auth of [null, {}, { username: "admin" }, { ...credentials, password: "wrong" }, { ...credentials, username: "other" }, { sessionId: "made-up" }]) {
      assert.equal((await admin(auth).refused()).message, "invalid credentials");
    }
    const first = await admin().connected();
    const { args: [sessionId] } = await first.next("session");
    assert.deepEqual((await first.next("config")).args[0].supportedFeatures.toSorted(),
      ["AGGREGATED_EVENTS", "ALL_EVENTS", "DISCONNECT", "EMIT", "JOIN", "LEAVE", "MDISCONNECT", "MJOIN", "MLEAVE"]);
    const again = await admin({ sessionId }, polling).connected();
    assert.equal((await again.next("config")).args[0].supportedFeatures.length, 9);
    first.close();
    again.close();
  });

  test("it is shown what happens, and does what it is told", async () => {
    const before = await connect(polling).connected();
    const looker = await admin().connected();
    const { args: [all] } = await looker.next("all_sockets");
    const shown = all.find(({ id }) => id === before.id);
    assert.equal(shown.transport, "polling");
    assert.deepEqual([shown.nsp, shown.rooms, shown.handshake.address, shown.handshake.query.EIO], ["/", [before.id], "127.0.0.1", "4"]);

    const guest = await connect(websocket, { namespace: "/chat" }).connected();
    const { args: [arrived, when] } = await looker.next("socket_connected");
    assert.deepEqual([arrived.id, arrived.nsp], [guest.id, "/chat"]);
    assert.ok(Math.abs(new Date(when) - Date.now()) < 60_000);
    guest.socket.emit("order", 1, { a: true });
    assert.deepEqual((await looker.next("event_received")).args.slice(0, 3), ["/chat", guest.id, ["order", 1, { a: true }]]);

    looker.socket.emit("join", "/chat", "vip", guest.id);
    const joined = async () => {
      for (;;) {
        const { args } = await looker.next("room_joined");
        if (args[1] === "vip") return args;
      }
    };
    assert.deepEqual((await joined()).slice(0, 3), ["/chat", "vip", guest.id]);
    looker.socket.emit("emit", "/chat", ["vip"], "news", "for you", 7);
    assert.deepEqual((await guest.next("news")).args, ["for you", 7]);
    looker.socket.emit("emit", "/chat", undefined, "disconnect", "not that");
    looker.socket.emit("leave", "/chat", "vip", guest.id);
    assert.deepEqual((await looker.next("room_left")).args.slice(0, 3), ["/chat", "vip", guest.id]);
    looker.socket.emit("_disconnect", "/chat", false, guest.id);
    assert.equal((await guest.disconnected()).reason, "io server disconnect");
    assert.deepEqual((await looker.next("socket_disconnected")).args.slice(0, 3), ["/chat", guest.id, "server namespace disconnect"]);

    const { args: [stats] } = await looker.next("server_stats");
    assert.ok(stats.clientsCount >= 2 && stats.pollingClientsCount >= 1 && stats.uptime > 0 && stats.pid === service.pid);
    assert.deepEqual(stats.namespaces.map(({ name }) => name).toSorted(), ["/", "/admin", "/chat"]);
  });

  test("services hear nothing of it", async () => {
    const control = new Control(service.grpc);
    const watch = await control.watch();
    const looker = await admin().connected();
    const id = looker.id;
    looker.socket.emit("join", "/", "nowhere");
    looker.close();
    const witness = await connect().connected();
    await watch.take({ kind: "connected", socketId: witness.id });
    assert.ok(!watch.events.rest.some(({ socketId }) => socketId === id), "a watcher heard of a person at the Admin UI");
    control.close();
  });
});

test("it may look and do nothing, and is shown figures only, if that is how it is configured", async (t) => {
  const service = await Service.start({ ...flags, adminUi: "readonly", adminUiMode: "production" });
  t.after(() => service.close());
  const guest = await Client.connect(service.url, websocket).connected();
  const looker = await Client.connect(service.url, websocket, { namespace: "/admin", auth: credentials }).connected();
  t.after(() => [guest, looker].forEach((one) => one.close()));
  assert.deepEqual((await looker.next("config")).args, [{ supportedFeatures: ["AGGREGATED_EVENTS"] }]);
  looker.socket.emit("_disconnect", "/", true);
  const { args: [first] } = await looker.next("server_stats");
  const { args: [second] } = await looker.next("server_stats");
  assert.ok(second.uptime > first.uptime);
  assert.ok(guest.socket.connected, "a person who may only look disconnected somebody");
  assert.ok(!looker.events.rest.some(({ name }) => name === "all_sockets"));
});

test("it is off unless it is wanted, and never open by accident", async (t) => {
  const service = await Service.start();
  t.after(() => service.close());
  assert.equal((await Client.connect(service.url, websocket, { namespace: "/admin", auth: credentials }).refused()).message, "Invalid namespace");
  await assert.rejects(Service.start({ adminUi: "full" }), /--admin-ui/);
});

test("the official page in a browser", async (t) => {
  mkdirSync(out, { recursive: true });
  const service = await Service.start(flags);
  const browser = await launch();
  const guests = await Promise.all([polling, websocket, websocket].map((mode, i) => Client.connect(service.url, mode, { namespace: i === 2 ? "/chat" : "/" }).connected()));
  t.after(async () => {
    for (const guest of guests) guest.close();
    await browser.close();
    await service.close();
  });
  const control = new Control(service.grpc);
  t.after(() => control.close());
  const page = await browser.newPage({ viewport: { width: 1400, height: 900 } });
  await page.goto(service.url);
  await page.getByLabel("Server URL").fill(service.url);
  await page.getByLabel("Username").fill(credentials.username);
  await page.getByLabel("Password").fill(credentials.password);
  await page.getByRole("button", { name: "Connect", exact: true }).click();
  await page.getByLabel("Password").waitFor({ state: "hidden" });
  await page.getByText("HTTP long-polling").first().waitFor();
  await page.screenshot({ path: join(out, "admin-ui-dashboard.png") });
  await page.getByText("Sockets", { exact: true }).first().click();
  await page.getByText(guests[0].id).first().waitFor();
  await page.screenshot({ path: join(out, "admin-ui-sockets.png") });
  await page.getByText(guests[1].id).first().waitFor();
  await page.locator("tr", { hasText: guests[0].id }).locator("button").last().click();
  assert.equal((await guests[0].disconnected()).reason, "io server disconnect");
  await page.locator("tr", { hasText: guests[0].id }).locator("button").waitFor({ state: "detached" });
  await page.getByText("Events", { exact: true }).first().click({ force: true });
  guests[1].socket.emit("order", { coffee: 1 });
  await page.getByText("Event received").first().waitFor();
  await page.getByText("order", { exact: true }).first().waitFor();
  await page.screenshot({ path: join(out, "admin-ui-events.png") });
});
