// What every client must be able to do, each written once for all clients and both targets.

import assert from "node:assert/strict";

export const NAMESPACES = ["/", "/chat"];
export const REFUSALS = {
  "/guarded": { message: "you may not", data: { code: 403, hint: "ask <ann>" } },
  "/closed": { message: "nobody may" },
};

const TEXT = ["plain", "äöü Ω 漢字 \u2028", "😀 👩‍👩‍👧", "", { nested: ["ä", { deep: "😀" }], "ключ": null }, 0, -1.5, true, false, null];
const bytes = (length) => Buffer.from(Array.from({ length }, (_, i) => (i * 7) % 256));
const BINARY = [bytes(3), { nested: [bytes(300), "and text 😀"], more: bytes(70_000) }, "last"];
const ECHO = ["answered", { ä: ["😀", 2] }];

/**
 * spoken is what may be said: what is given, or only its ASCII part with a client of 1.x that polls. Those write UTF-8 into the text of a payload a
 * second time and read it so, which no server since 2.0 does, the reference included; nothing in a request tells them from a client of 2.x. What they
 * are sent may be anything where it is escaped to ASCII.
 */
function spoken(value, { driver, mode }) {
  if (!(driver.pollsInAscii && mode.carrier === "polling")) return value;
  const plain = (text) => text.replace(/[^\0-\x7f]/gu, "?");
  const strip = (item) => {
    if (typeof item === "string") return plain(item);
    if (Array.isArray(item)) return item.map(strip);
    if (item === null || typeof item !== "object" || Buffer.isBuffer(item)) return item;
    return Object.fromEntries(Object.entries(item).map(([key, inner]) => [plain(key), strip(inner)]));
  };
  return strip(value);
}

const sameArguments = (actual, expected) => assert.deepEqual(actual, expected);

/**
 * scenarios by name. Each is a function of {target, driver, mode, open}: open(options) opens a connection in the mode at hand, which is closed
 * afterwards.
 */
export const scenarios = {
  async "text both ways"({ target, driver, mode, open }) {
    const client = (await open().settled()).in("/");
    const text = spoken(TEXT, { driver, mode });
    await client.emit("up", ...text);
    const { args, reply } = await target.received(client, "up");
    sameArguments(args, text);
    assert.equal(reply, null);
    const down = target.escapesForRevision3 ? TEXT : text;
    await target.tell({ sockets: [client.id] }, "down", down);
    sameArguments(await client.next("down"), down);
    if (text === TEXT) return;
    await client.emit("up", "äöü 😀");
    sameArguments((await target.received(client, "up")).args, [Buffer.from("äöü 😀").toString("latin1")]);
  },

  async "binary both ways"({ target, driver, mode, open }) {
    const client = (await open().settled()).in("/");
    const binary = spoken(BINARY, { driver, mode });
    await client.emit("up", ...binary);
    sameArguments((await target.received(client, "up")).args, binary);
    await target.tell({ sockets: [client.id] }, "down", binary);
    sameArguments(await client.next("down"), binary);
    // And text goes on afterwards.
    await target.tell({ sockets: [client.id] }, "down", ["text"]);
    sameArguments(await client.next("down"), ["text"]);
  },

  async "acknowledgements both ways"({ target, driver, mode, open }) {
    const client = (await open().settled()).in("/");
    const [text, echo, binary] = spoken([TEXT, ECHO, BINARY], { driver, mode });
    for (const [asked, answered] of [[text, echo], [[], []], [["binary"], binary], [binary, ["text"]]]) {
      const asking = client.ask("asked", ...asked);
      const { args, reply } = await target.received(client, "asked");
      sameArguments(args, asked);
      await reply(answered);
      sameArguments(await asking, answered);
    }
    for (const asked of [text, [], binary]) sameArguments(await target.ask("/", client.id, "question", asked), asked);
  },

  async "rooms"({ target, open }) {
    const [ann, bob, cid] = (await Promise.all([open(), open(), open()].map((one) => one.settled()))).map((one) => one.in("/"));
    const all = { ann, bob, cid };
    const room = `red ${ann.id}`;
    const other = `blue 😀 ${ann.id}`;
    // What is not to come would have come before the end; Python's client may hear both at once, so what is to come is waited for.
    const reaches = async (to, names) => {
      await target.tell(to, "marked", []);
      await target.tell({ sockets: [ann.id, bob.id, cid.id] }, "end", []);
      for (const name of names.split(" ")) await all[name].next("marked");
      for (const [name, client] of Object.entries(all)) {
        await client.next("end");
        assert.equal(client.waiting("marked"), 0, `${name} was reached with ${JSON.stringify(to)}`);
      }
    };
    await target.join("/", [ann.id, bob.id], [room]);
    await target.join("/", [cid.id], [room, other]);
    await reaches({ rooms: [room] }, "ann bob cid");
    await reaches({ rooms: [room], exceptRooms: [other] }, "ann bob");
    await reaches({ rooms: [other], sockets: [ann.id] }, "ann cid");
    await reaches({ rooms: [room], exceptSockets: [ann.id] }, "bob cid");
    await target.leave("/", [ann.id], [room]);
    await reaches({ rooms: [room] }, "bob cid");
  },

  async "two namespaces on one connection"({ target, driver, open }) {
    const connection = await open({ namespaces: ["/", "/chat"] }).settled();
    const main = connection.in("/");
    const chat = connection.in("/chat");
    assert.notEqual(main.id, chat.id);
    for (const [namespace, client] of [["/", main], ["/chat", chat]]) {
      await client.emit("up", namespace, bytes(5));
      sameArguments((await target.received(client, "up")).args, [namespace, bytes(5)]);
      await target.tell({ namespace, sockets: [client.id] }, "down", [namespace, bytes(5)]);
      sameArguments(await client.next("down"), [namespace, bytes(5)]);
      sameArguments(await target.ask(namespace, client.id, "question", [namespace]), [namespace]);
    }
    assert.equal(main.waiting("down") + chat.waiting("down"), 0);
    if (!driver.leavesOne) return;
    chat.leave();
    assert.equal(await target.disconnected(chat), "client namespace disconnect");
    await target.tell({ sockets: [main.id] }, "down", ["still here"]);
    sameArguments(await main.next("down"), ["still here"]);
  },

  async "a namespace of its own, without the main one"({ target, open }) {
    const chat = (await open({ namespaces: ["/chat"] }).settled()).in("/chat");
    await chat.emit("up", 1);
    sameArguments((await target.received(chat, "up")).args, [1]);
    sameArguments(await target.ask("/chat", chat.id, "question", ["?"]), ["?"]);
  },

  async "an unknown namespace is refused"({ target, driver, open }) {
    const connection = open({ namespaces: ["/", "/nowhere"] });
    const refusal = { message: "Invalid namespace" };
    assert.deepEqual(await connection.in("/nowhere").refused(), driver.legacy ? { reason: refusal } : refusal);
    await stillThere(target, connection);
  },

  async "admission refuses, and says why"({ target, driver, open }) {
    const connection = open({ namespaces: ["/", ...Object.keys(REFUSALS)] });
    for (const [namespace, refusal] of Object.entries(REFUSALS)) {
      const heard = await connection.in(namespace).refused();
      // Clients of revision 3 hear one value: the data, or the message if there is none (PROTOCOL 2.7).
      assert.deepEqual(heard, driver.legacy ? { reason: refusal.data ?? refusal.message } : refusal);
    }
    await stillThere(target, connection);
  },

  async "the server disconnects a socket"({ target, open }) {
    const connection = await open().settled();
    const client = connection.in("/");
    await target.disconnect("/", client.id, false);
    assert.equal(await target.disconnected(client), "server namespace disconnect");
    assert.match(await client.disconnected() ?? "io server disconnect", /^io server disconnect$/);
  },

  async "the server closes a connection"({ target, open }) {
    const connection = await open({ namespaces: ["/", "/chat"] }).settled();
    await target.disconnect("/chat", connection.in("/chat").id, true);
    for (const namespace of NAMESPACES) {
      assert.equal(await target.disconnected(connection.in(namespace)), "server namespace disconnect");
      assert.match(await connection.in(namespace).disconnected() ?? "io server disconnect", /^io server disconnect$/);
    }
  },

  async "the client disconnects"({ target, driver, open }) {
    const connection = await open().settled();
    const client = connection.in("/");
    await client.leave();
    // A client that closes its connection along with it may be heard to do that first.
    assert.match(await target.disconnected(client), driver.leavesOne ? /^client namespace disconnect$/ : /^(client namespace disconnect|transport close)$/);
    assert.match(await client.disconnected() ?? "io client disconnect", /^io client disconnect$/);
  },

  async "the client drops its connection"({ target, open }) {
    const connection = await open().settled();
    await connection.drop();
    assert.equal(await target.disconnected(connection.in("/")), "transport close");
  },
};

/** stillThere checks that a refusal elsewhere did not hurt the main namespace. */
async function stillThere(target, connection) {
  const main = connection.in("/");
  await main.connected();
  await target.tell({ sockets: [main.id] }, "down", ["still here"]);
  sameArguments(await main.next("down"), ["still here"]);
}

/** comesBack is the scenario that needs a target of its own: it is killed. */
export async function comesBack({ target, open }) {
  const connection = await open({ namespaces: NAMESPACES, comesBack: true }).settled();
  const ids = NAMESPACES.map((namespace) => connection.in(namespace).id);
  await target.kill();
  for (const namespace of NAMESPACES) {
    assert.match(await connection.in(namespace).disconnected() ?? "transport close", /^transport (close|error)$/);
  }
  await target.restart();
  for (const [i, namespace] of NAMESPACES.entries()) {
    const client = connection.in(namespace);
    await client.cameBack();
    assert.notEqual(client.id, ids[i]);
    await target.tell({ namespace, sockets: [client.id] }, "down", ["welcome back"]);
    sameArguments(await client.next("down"), ["welcome back"]);
    await client.emit("up", "again");
    sameArguments((await target.received(client, "up")).args, ["again"]);
  }
}
