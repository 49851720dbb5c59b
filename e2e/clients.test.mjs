// The example backend in each language, over the clients that are generated from proto/, against the real service with the stock client.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";

import { io } from "socket.io-client";

import { root } from "./support/binaries.mjs";
import { within } from "./support/inbox.mjs";
import { Process } from "./support/process.mjs";
import { Service } from "./support/service.mjs";

const examples = join(root, "examples", "clients");
const built = join(examples, ".build");

/** How each is run: file, arguments and environment. `make clients` builds them. */
const languages = {
  go: () => [join(built, "go")],
  typescript: () => [process.execPath, [join(examples, "typescript", "dist", "backend.js")]],
  python: () => ["/usr/bin/python3", [join(examples, "python", "backend.py")], { PYTHONPATH: join(root, "gen", "python", "src") }],
  ruby: () => ["/usr/bin/ruby", ["-I", join(built, "ruby"), join(examples, "ruby", "backend.rb")]],
  java: () => ["java", ["-cp", readFileSync(join(built, "java", "classpath"), "utf8"), "Backend"]],
  cpp: () => [join(built, "cpp", "backend")],
};

const error = (socket) => within(new Promise((resolve) => socket.once("connect_error", resolve)), "a refusal");

for (const [language, how] of Object.entries(languages)) {
  describe(`the example in ${language}`, () => {
    let service;
    let backend;
    const sockets = [];

    before(async () => {
      service = await Service.start({ admissionPolicy: "deny" });
      const [file, args = [], env = {}] = how();
      const java = language === "java" ? [args[0], args[1].split(":").map((part) => (part.startsWith("/") ? part : join(root, part))).join(":"), args[2]] : args;
      backend = new Process(`the backend in ${language}`, file, java, { ...env, REALTIME_GRPC: service.grpc, GROUP: "chat" });
      await backend.line((line) => line === "ready" || null, "the backend to be ready");
    });

    after(async () => {
      for (const socket of sockets) socket.close();
      await backend?.end();
      await service?.close();
    });

    const client = (auth) => {
      const socket = io(service.url, { auth, forceNew: true, transports: ["websocket"] });
      sockets.push(socket);
      return socket;
    };
    const enter = async (name) => {
      const socket = client({ token: `letmein-${name}` });
      await within(new Promise((resolve) => socket.once("connect", resolve)), `${name} to be let in`);
      return socket;
    };

    test("admits, consumes, emits, answers and asks", async () => {
      assert.equal((await error(client({ token: "wrong" }))).message, "who are you?");
      assert.equal((await error(client(undefined))).message, "who are you?");
      const ann = await enter("ann");
      const bob = await enter("bob");

      const heard = Promise.all([ann, bob].map((socket) => new Promise((resolve) => socket.once("message", (...said) => resolve(said)))));
      assert.equal(await ann.timeout(10_000).emitWithAck("message", "h\u00e9llo \ud83c\udf89"), "sent");
      assert.deepEqual(await within(heard, "the message"), [["ann", "h\u00e9llo \ud83c\udf89"], ["ann", "h\u00e9llo \ud83c\udf89"]]);

      ann.on("question", (text, reply) => reply(`ann: ${text}`));
      bob.on("question", (text, reply) => reply(`bob: ${text}`));
      assert.deepEqual(await bob.timeout(10_000).emitWithAck("poll", "lunch?"), ["ann: lunch?", "bob: lunch?"]);

      const order = [];
      bob.on("message", (_, n) => order.push(n));
      for (let n = 0; n < 20; n++) ann.emit("message", n);
      assert.equal(await ann.timeout(10_000).emitWithAck("message", 20), "sent");
      await within(new Promise((resolve) => { const look = () => (order.length > 20 ? resolve() : bob.once("message", look)); look(); }), "all messages");
      assert.deepEqual(order, Array.from({ length: 21 }, (_, n) => n));
    });
  });
}
