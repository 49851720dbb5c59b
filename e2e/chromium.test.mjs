// People who use the example chat in a real browser.

import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";

import { out, root } from "./support/binaries.mjs";
import { launch } from "./support/browser.mjs";
import { attached, flags, Person, startBackend } from "./support/chat.mjs";
import { modes } from "./support/clients.mjs";
import { fixedAddresses, Service } from "./support/service.mjs";

let browser;
// A chat of its own for every test, with nobody in it and nothing said.
let service;
let backend;
let people = [];

before(async () => {
  mkdirSync(out, { recursive: true });
  browser = await launch();
});

beforeEach(async () => {
  people = [];
  service = await Service.start({ ...(await fixedAddresses()), ...flags });
  backend = await startBackend(service.grpc);
});

afterEach(async (t) => {
  const complaints = people.flatMap(({ visitor }) => visitor.complaints);
  if (t.passed === false) {
    await Promise.all(people.map((person, i) => person.page.screenshot({ path: join(out, `failed-${i}.png`) }).catch(() => {})));
    console.error([`${t.name} failed; see ${out}`, ...complaints, service.tail(), backend.tail()].join("\n"));
  }
  await Promise.all(people.map(({ visitor }) => visitor.close()));
  await backend.end("SIGTERM");
  const { code } = await service.terminate();
  assert.equal(code, 0, service.tail());
  assert.deepEqual(complaints, [], "the pages complained");
});

after(() => browser?.close());

async function arrive(options) {
  const person = await Person.arrive(browser, service.url, options);
  people.push(person);
  return person;
}

/** shoot keeps a picture of a page for people to look at. */
const shoot = (person, name) => person.page.screenshot({ path: join(out, `${name}.png`), animations: "disabled" });

/** awayFor has the service go away and come back, with what is done while it is away. */
async function awayFor(whileAway) {
  for (const { visitor } of people) visitor.connectionsMayFail = true;
  await service.kill();
  await whileAway();
  await service.restart();
  await attached(backend, service.starts);
  for (const person of people) await person.online();
  for (const { visitor } of people) visitor.connectionsMayFail = false;
}

for (const mode of modes) {
  describe(mode.name, () => {
    const options = { transports: mode.transports };

    test("two people chat", async () => {
      const [ann, bob] = await Promise.all([arrive(options), arrive(options)]);
      await ann.enter("Ann");
      await bob.enter("Bob");
      await Promise.all([ann, bob].map((person) => person.carriedBy(mode.carrier)));
      await ann.people("Ann", "Bob");
      await bob.people("Ann", "Bob");

      await ann.say("Hello <b>Bob</b> 🎉");
      await bob.sees("Ann", "Hello <b>Bob</b> 🎉");
      await ann.sees("Ann", "Hello <b>Bob</b> 🎉");
      await ann.seen("Ann", "Hello", 1);

      await bob.type("I am wri");
      await ann.at("typing").filter({ hasText: "Bob is typing" }).waitFor();
      await shoot(ann, `two people, ${mode.name}`);
      await bob.say("I am writing");
      await ann.sees("Bob", "I am writing");
      await ann.at("typing").filter({ hasText: "Bob" }).waitFor({ state: "detached" });
    });

    test("rooms are apart", async () => {
      const [ann, bob, cid] = await Promise.all([arrive(options), arrive(options), arrive(options)]);
      await ann.enter("Ann");
      await bob.enter("Bob");
      await cid.enter("Cid");
      await ann.enterRoom("tea-house");
      await bob.openRoom("tea-house");
      await ann.people("Ann", "Bob");
      await ann.say("Only for the tea house");
      await bob.sees("Ann", "Only for the tea house");
      await cid.say("To the lobby");
      await bob.at("room", { "data-room": "lobby" }).locator('[data-testid="unread"]').filter({ hasText: "1" }).waitFor();
      assert.equal(await cid.message("Ann", "Only for the tea house").count(), 0);
      await bob.openRoom("lobby");
      await bob.sees("Cid", "To the lobby");

      await bob.openRoom("tea-house");
      await bob.leaveRoom();
      await ann.people("Ann");
    });

    test("a private message is for one person", async () => {
      const [ann, bob, cid] = await Promise.all([arrive(options), arrive(options), arrive(options)]);
      await ann.enter("Ann");
      await bob.enter("Bob");
      await cid.enter("Cid");
      await ann.people("Ann", "Bob", "Cid");
      await ann.writeTo("Bob");
      await ann.say("Just between us");
      await bob.at("private", { "data-nickname": "Ann" }).waitFor();
      await bob.openPrivate("Ann");
      await bob.sees("Ann", "Just between us");
      await ann.seen("Ann", "Just between us", 1);
      await bob.say("Sure");
      await ann.sees("Bob", "Sure");
      assert.equal(await cid.at("private").count(), 0);
      await shoot(bob, `private, ${mode.name}`);
    });

    test("a picture arrives as it was sent", async () => {
      const [ann, bob] = await Promise.all([arrive(options), arrive(options)]);
      await ann.enter("Ann");
      await bob.enter("Bob");
      await bob.people("Ann", "Bob");
      const file = join(out, "large.png");
      await drawNoise(ann.page, file);
      await ann.sendPicture(file);
      const [sent, received] = [await ann.picture("Ann"), await bob.picture("Ann")];
      assert.deepEqual([received.width, received.height], [400, 300]);
      assert.equal(received.pixels, sent.pixels);
      await shoot(bob, `picture, ${mode.name}`);
    });

    test("the service is killed and comes back, and so do the pages", async () => {
      const [ann, bob] = await Promise.all([arrive(options), arrive(options)]);
      await ann.enter("Ann");
      await bob.enter("Bob");
      await ann.enterRoom("shelter");
      await bob.openRoom("shelter");
      await ann.say("Before the storm");
      await bob.sees("Ann", "Before the storm");

      await awayFor(async () => {
        for (const person of [ann, bob]) await person.status("reconnecting");
        await ann.say("While it is away");
        await ann.sees("Ann", "While it is away");
        await shoot(ann, `away, ${mode.name}`);
      });
      await bob.sees("Ann", "While it is away");
      await bob.sees("Ann", "Before the storm");
      await bob.people("Ann", "Bob");
      await bob.say("And after it");
      await ann.sees("Bob", "And after it");
      await Promise.all([ann, bob].map((person) => person.carriedBy(mode.carrier)));
    });
  });
}

/** drawNoise saves a PNG of a few hundred kB. */
async function drawNoise(page, path) {
  const data = await page.evaluate(() => {
    const canvas = Object.assign(document.createElement("canvas"), { width: 400, height: 300 });
    const context = canvas.getContext("2d");
    const image = context.createImageData(400, 300);
    for (let i = 0, n = 1; i < image.data.length; i++) {
      n = (n * 1103515245 + 12345) & 0x7fffffff;
      image.data[i] = i % 4 === 3 ? 255 : (n >> 16) & 0xff;
    }
    context.putImageData(image, 0, 0);
    return canvas.toDataURL("image/png");
  });
  writeFileSync(path, Buffer.from(data.slice(data.indexOf(",") + 1), "base64"));
}

test("a nickname that is taken is refused, and another is not", async () => {
  const [ann, other] = await Promise.all([arrive(), arrive()]);
  await ann.enter("Ann");
  // Who is refused closes the session while it polls: the poll may come later than the close, and finds no session.
  other.visitor.connectionsMayFail = true;
  await other.tryToEnter("ann");
  assert.match(await other.refusal(), /called ann already/i);
  await shoot(other, "refused nickname");
  await other.tryToEnter("   ");
  await other.page.waitForFunction(() => /choose/.test(document.getElementById("login-error").textContent));
  await other.enter("Annabel");
  await ann.people("Ann", "Annabel");
});

test("who signs out is gone for the others, and the nickname is free", async () => {
  const [ann, bob] = await Promise.all([arrive(), arrive()]);
  await ann.enter("Ann");
  await bob.enter("Bob");
  await ann.people("Ann", "Bob");
  await bob.carriedBy("websocket");
  await bob.at("sign-out").click();
  await ann.people("Ann");
  await bob.enter("Bob");
  await ann.people("Ann", "Bob");
});

test("the backend is restarted, and no connection breaks", async () => {
  const [ann, bob] = await Promise.all([arrive(), arrive()]);
  await ann.enter("Ann");
  await bob.enter("Bob");
  await ann.people("Ann", "Bob");
  await backend.end("SIGKILL");
  backend = await startBackend(service.grpc);
  await ann.say("Are you there?");
  await bob.sees("Ann", "Are you there?");
  await ann.people("Ann", "Bob");
});

test("it works on a telephone", async () => {
  const ann = await arrive({ viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true, deviceScaleFactor: 2 });
  await ann.enter("Ann");
  await ann.say("From the bus");
  await ann.sees("Ann", "From the bus");
  await shoot(ann, "telephone");
});

test("the stock client comes from the service if it was built with it", async (t) => {
  const response = await fetch(`${service.url}/socket.io/socket.io.js`);
  if (response.status !== 200) {
    t.skip("this build carries no client");
    return;
  }
  const { version } = JSON.parse(readFileSync(join(root, "e2e/node_modules/socket.io-client/package.json")));
  assert.match(await response.text(), new RegExp(`^/\\*!\\s*\\* Socket\\.IO v${version.replaceAll(".", "\\.")}`));
  assert.equal(response.headers.get("content-type"), "application/javascript; charset=utf-8");
  assert.equal(response.headers.get("etag"), `"${version}"`);
  const again = await fetch(response.url, { headers: { "if-none-match": `"${version}"` } });
  assert.equal(again.status, 304);
});
