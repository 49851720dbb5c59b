// A real browser: Chromium, or what CHROMIUM names.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

import { chromium } from "playwright-core";

/** The stock client for browsers, a file. */
export const bundle = join(dirname(createRequire(import.meta.url).resolve("socket.io-client/package.json")), "dist", "socket.io.js");

/** What a page says when its connection fails, which it does when the service is away. */
const CONNECTION_FAILED = /net::ERR_(CONNECTION_|EMPTY_RESPONSE|SOCKET_|INCOMPLETE_|NETWORK_)|WebSocket connection to .* failed|status of 400/;

/** What a page says when its client lets go of a poll that waits, or is refused while it upgrades. */
const LET_GO = /^request: .*transport=polling.* net::ERR_ABORTED$|WebSocket is closed before the connection is established/;

/** launch starts the browser. */
export function launch() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM || "/usr/bin/chromium",
    // Tests run as root in containers, where Chromium's sandbox does not work; what they load is ours.
    args: ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
}

/** Visitor is one person with a browser of their own: nothing is shared with others. */
export class Visitor {
  /** Everything that went wrong in the page, in order. */
  complaints = [];
  /** True while connections may fail, for example as the service is away on purpose: then that is no complaint. */
  connectionsMayFail = false;

  /** open goes to url. transports, if given, are those of every Socket.IO client in the page. more are options of a browser context. */
  static async open(browser, url, { transports, ...more } = {}) {
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...more });
    const page = await context.newPage();
    page.setDefaultTimeout(15_000);
    const visitor = new Visitor(page);
    if (transports) await page.addInitScript(limitTransports, transports);
    await carryBundle(page, url);
    await page.goto(url);
    return visitor;
  }

  constructor(page) {
    this.page = page;
    page.on("console", (message) => {
      const type = message.type();
      if (type === "error" || type === "warning") this.#complain(`${type}: ${message.text()} (${message.location().url})`);
    });
    page.on("pageerror", (error) => this.#complain(`error: ${error.stack}`));
    page.on("requestfailed", (request) => this.#complain(`request: ${request.url()} ${request.failure()?.errorText}`));
  }

  #complain(text) {
    if (this.connectionsMayFail && CONNECTION_FAILED.test(text)) return;
    if (LET_GO.test(text)) return;
    this.complaints.push(text);
  }

  /** byTestId is the element, or the elements, with this data-testid and these attributes, e.g. {"data-room": "lobby"}. */
  byTestId(id, attributes = {}) {
    const more = Object.entries(attributes).map(([name, value]) => `[${name}=${JSON.stringify(value)}]`);
    return this.page.locator(`[data-testid=${JSON.stringify(id)}]${more.join("")}`);
  }

  async close() {
    await this.page.context().close();
  }
}

/** limitTransports runs in the page before its own scripts: it hands every client that they make the transports. */
function limitTransports(transports) {
  let io;
  Object.defineProperty(window, "io", {
    get: () => io,
    set: (original) => { io = Object.assign((options) => original({ ...options, transports }), original); },
  });
}

/** carryBundle serves the stock client to the page if the service was built without it. */
async function carryBundle(page, url) {
  const address = new URL("/socket.io/socket.io.js", url).href;
  const { status } = await fetch(address);
  if (status === 200) return;
  await page.route(address, (route) => route.fulfill({ contentType: "application/javascript", body: readFileSync(bundle) }));
}
