// Tokens of clients, with the stock client: from each place, refused for each reason, and expiring.

import assert from "node:assert/strict";
import { createSign, generateKeyPairSync } from "node:crypto";
import { mkdtempSync, renameSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";

import { modes, websocket } from "./support/clients.mjs";
import { World } from "./support/world.mjs";

const folder = mkdtempSync(join(tmpdir(), "jwt-"));
const file = (name, text) => {
  writeFileSync(join(folder, `${name}.new`), text);
  renameSync(join(folder, `${name}.new`), join(folder, name));
  return join(folder, name);
};

const pair = () => generateKeyPairSync("ec", { namedCurve: "P-256" });
const first = pair();
const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
const seconds = (more) => Math.floor(Date.now() / 1000) + more;

/** token signs claims. */
function token(claims, { privateKey } = first, header = { alg: "ES256" }) {
  const text = `${part(header)}.${part({ sub: "ann", aud: "chat", exp: seconds(600), ...claims })}`;
  return `${text}.${createSign("SHA256").update(text).sign({ key: privateKey, dsaEncoding: "ieee-p1363" }).toString("base64url")}`;
}

const keys = file("keys.pem", first.publicKey.export({ type: "spki", format: "pem" }));
const world = World.forThisFile({
  jwtKeys: keys, jwtAudience: "chat", jwtRoomsClaim: "rooms", jwtSources: "auth.token,cookie:token,authorization", jwtLeeway: "0s", jwtDataClaim: "data",
});

const refusal = async (options) => {
  const { message, data } = await world.connect(websocket, options).refused();
  return [message, data.code];
};

describe("a token", () => {
  for (const mode of modes) {
    test(`lets in as whom it says, ${mode.name}`, async () => {
      const client = await world.connect(mode, { auth: { token: token({ rooms: ["vip"], data: { n: 1 } }) } }).settled(mode);
      const { socket } = await world.control.getSocket({ socketId: client.id });
      assert.deepEqual([socket.user, socket.rooms, socket.data], ["ann", ["vip"], '{"n":1}']);
      await world.control.tell({ users: ["ann"], rooms: [] }, "hi");
      await client.next("hi");
    });
  }

  test("may be in a cookie or in Authorization, which services are not shown", async () => {
    for (const extraHeaders of [{ cookie: `a=b; token=${token({})}` }, { authorization: `Bearer ${token({})}` }]) {
      const client = await world.connect(websocket, { extraHeaders }).connected();
      const { socket } = await world.control.getSocket({ socketId: client.id });
      assert.equal(socket.user, "ann");
      assert.ok(!JSON.stringify(socket).includes("eyJ"), "the token is not shown");
    }
  });

  test("that is none, expired, for others or signed otherwise is refused with a code", async () => {
    const none = `${part({ alg: "none" })}.${part({ sub: "ann", aud: "chat", exp: seconds(600) })}.`;
    assert.deepEqual(await refusal({}), ["unauthorized", "TOKEN_MISSING"]);
    for (const [text, code] of [
      [token({ exp: seconds(-5) }), "TOKEN_EXPIRED"], [token({ aud: "mail" }), "TOKEN_INVALID"], [none, "TOKEN_INVALID"], [token({}, pair()), "TOKEN_INVALID"],
      [token({}, first, { alg: "ES384" }), "TOKEN_INVALID"], ["x".repeat(10_000), "TOKEN_INVALID"],
    ]) assert.deepEqual(await refusal({ auth: { token: text } }), ["unauthorized", code]);
  });

  test("that expires takes its socket with it", async () => {
    const client = await world.connect(websocket, { auth: { token: token({ exp: seconds(2) }) } }).connected();
    assert.equal((await client.disconnected()).reason, "io server disconnect");
  });

  test("of a key that was put there a moment ago is good", async () => {
    const second = pair();
    file("keys.pem", [first, second].map(({ publicKey }) => publicKey.export({ type: "spki", format: "pem" })).join(""));
    await world.connect(websocket, { auth: { token: token({}, second) } }).connected();
    await world.connect(websocket, { auth: { token: token({}) } }).connected();
  });
});
