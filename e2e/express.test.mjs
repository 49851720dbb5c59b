// The Express example in a real browser: its login admits the socket, and its routes reach the browser that asked.

import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { out, root } from "./support/binaries.mjs";
import { launch } from "./support/browser.mjs";
import { Client, websocket } from "./support/clients.mjs";
import { Process } from "./support/process.mjs";
import { fixedAddresses, Service } from "./support/service.mjs";

let browser, app, service;

before(async () => {
  mkdirSync(out, { recursive: true });
  const { adminListen: web, ...addresses } = await fixedAddresses();
  service = await Service.start({ ...addresses, webUpstream: `http://${web}`, admissionPolicy: "deny", keepHeaders: "cookie" });
  app = new Process("the Express app", process.execPath, [join(root, "examples", "express", "server.mjs")], {
    PORT: web.split(":")[1], REALTIME_GRPC: service.grpc, STEP_MS: "150",
  });
  await app.line((line) => line.includes("listens on") || null, "the app to listen");
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await app?.end();
  await service?.close();
});

/** arrive logs somebody in, in a browser of their own. */
async function arrive(name, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1100, height: 720 }, ...options });
  const page = await context.newPage();
  const complaints = [];
  page.on("pageerror", (error) => complaints.push(error.message));
  await page.goto(service.url);
  await page.fill("#name", name);
  await page.click("text=Come in");
  await page.waitForSelector(".status.good");
  return { context, page, complaints };
}

test("an order reaches all tabs of the browser that made it, its receipt the very tab, and nobody else", async () => {
  const ann = await arrive("Ann");
  const bob = await arrive("Bob", { colorScheme: "dark" });
  const second = await ann.context.newPage();
  await second.goto(service.url);
  await second.waitForSelector(".status.good");

  await ann.page.click('[data-item="flatwhite"]');
  await ann.page.waitForSelector(".toast:has-text('Receipt: Flat white')");
  await Promise.all([ann.page, second].map((page) => page.waitForSelector(".order.ready:has-text('Flat white')")));
  assert.equal(await second.locator(".toast").count(), 0, "the receipt is for the tab that asked");
  assert.equal(await bob.page.locator(".order").count(), 0, "the order is Ann's");

  await ann.page.fill(".order input", "oat milk, please");
  await ann.page.click(".order form button");
  await ann.page.waitForSelector(".toast:has-text('noted')");
  await second.waitForSelector(".noted:has-text('oat milk')");

  await ann.page.click('[data-item="espresso"]');
  await ann.page.waitForSelector(".order:has-text('Espresso')");
  await ann.page.screenshot({ path: join(out, "express-light.png"), animations: "disabled" });
  await bob.page.click('[data-item="cortado"]');
  await bob.page.waitForSelector(".order:has-text('Cortado')");
  await bob.page.screenshot({ path: join(out, "express-dark.png"), animations: "disabled" });
  assert.deepEqual([...ann.complaints, ...bob.complaints], []);

  // The service restarts: the page comes back by itself, and so does the app.
  await service.kill();
  await ann.page.waitForSelector(".status.bad");
  await service.restart();
  await ann.page.waitForSelector(".status.good");
  await ann.page.click('[data-item="filter"]');
  await ann.page.waitForSelector(".order.ready:has-text('Filter coffee')");

  await ann.page.click("text=Log out");
  await ann.page.waitForSelector("text=Come in");
  await second.waitForSelector("text=Come in"); // its socket was ended, and so it looked again
  assert.equal(await bob.page.textContent(".status"), "live");
  await Promise.all([ann.context.close(), bob.context.close()]);
});

test("nobody is let in without a login, or with one that is made up", async () => {
  for (const cookie of [undefined, "bar=s%3Amade-up.signature"]) {
    const client = Client.connect(service.url, websocket, cookie ? { extraHeaders: { cookie } } : {});
    assert.equal((await client.refused()).message, "please log in");
    client.close();
  }
  const page = await (await fetch(service.url)).text();
  assert.match(page, /Come in/);
  assert.equal((await fetch(`${service.url}/orders`, { method: "POST" })).status, 401);
});
