// A web app behind the same port: its pages, its cookies and its WebSockets beside Socket.IO.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, before, describe, test } from "node:test";

import { Client, modes } from "./support/clients.mjs";
import { Control } from "./support/control.mjs";
import { Service } from "./support/service.mjs";

/** The app: a login sets a cookie; a route emits to the browser that made the request. */
class App {
  sessions = new Map();

  async start() {
    this.server = createServer((request, response) => this.#answer(request, response));
    await new Promise((resolve) => this.server.listen(0, "127.0.0.1", resolve));
    this.url = `http://127.0.0.1:${this.server.address().port}`;
  }

  user(cookie) {
    return this.sessions.get(cookie?.match(/session=([^;]+)/)?.[1]);
  }

  async #answer(request, response) {
    const user = this.user(request.headers.cookie);
    if (request.url.startsWith("/login?")) {
      const id = String(this.sessions.size + 1);
      this.sessions.set(id, request.url.slice("/login?".length));
      response.setHeader("set-cookie", `session=${id}; HttpOnly; Path=/`).end(`welcome ${request.headers.host}`);
    } else if (request.url === "/order" && user) {
      const { delivered } = await this.control.tell({ users: [user] }, "order", [request.headers["x-forwarded-for"]]);
      response.end(String(delivered));
    } else {
      response.writeHead(401).end("who are you?");
    }
  }

  /** attach decides about sockets by the app's own sessions. */
  attach(control) {
    this.control = control;
    return control.admit(["/"], ({ socket }) => {
      const user = this.user(socket.handshake.headers.cookie);
      return user ? { accept: { user } } : { refuse: { message: "not logged in" } };
    });
  }
}

describe("a web app behind the port", () => {
  const app = new App();
  let service, control;
  const clients = [];

  before(async () => {
    await app.start();
    service = await Service.start({ webUpstream: app.url, keepHeaders: "cookie", admissionPolicy: "deny" });
    control = new Control(service.grpc);
    await app.attach(control);
  });
  after(async () => {
    for (const client of clients) client.close();
    control.close();
    await service.close();
    app.server.close();
  });

  const login = async (name) => {
    const response = await fetch(`${service.url}/login?${name}`);
    assert.equal(await response.text(), `welcome ${service.edge}`);
    return response.headers.get("set-cookie").split(";")[0];
  };

  for (const mode of modes) {
    test(`its session admits the socket, and a route reaches the browser that asked, ${mode.name}`, async () => {
      const [ann, bob] = await Promise.all(["ann", "bob"].map((name) => login(`${name}-${modes.indexOf(mode)}`)));
      for (const cookie of [ann, bob]) clients.push(Client.connect(service.url, mode, { extraHeaders: { cookie } }));
      const [her, him] = await Promise.all(clients.slice(-2).map((client) => client.settled(mode)));
      const answer = await fetch(`${service.url}/order`, { method: "POST", headers: { cookie: ann, "x-forwarded-for": "6.6.6.6" } });
      assert.equal(await answer.text(), "1");
      assert.deepEqual((await her.next("order")).args, ["127.0.0.1"]);
      assert.deepEqual(him.events.rest, []);
    });
  }

  test("who has no session is refused by the app, on both ways", async () => {
    const stranger = Client.connect(service.url, modes[1]);
    clients.push(stranger);
    assert.equal((await stranger.refused()).message, "not logged in");
    assert.equal((await fetch(`${service.url}/order`)).status, 401);
  });

  test("the stock client comes from Socket.IO's path, not from the app", async () => {
    const response = await fetch(`${service.url}/socket.io/socket.io.js`);
    assert.equal(response.status, 200);
    assert.match(await response.text(), /Socket\.IO v4/);
  });
});
