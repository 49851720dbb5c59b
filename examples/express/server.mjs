// A coffee bar: an Express app that knows nothing of WebSockets, and tells browsers what becomes of their orders as it happens.
//
// realtime-svc has the port that browsers use, serves Socket.IO under /socket.io/ and passes everything else on to this app: pages, cookies and sockets
// share one origin. The app admits a socket by the cookie of the login, and emits to it from its routes.

import { randomBytes } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";

import cookie from "cookie";
import signature from "cookie-signature";
import express from "express";
import session from "express-session";

import { Realtime } from "./realtime.mjs";

const { PORT = "3000", REALTIME_GRPC = "127.0.0.1:9090", STEP_MS = "1500" } = process.env;
const MENU = { espresso: "Espresso", flatwhite: "Flat white", cortado: "Cortado", filter: "Filter coffee" };
const STEPS = ["accepted", "grinding", "brewing", "ready"];

// In memory, for an example: with several processes it is Redis or a database, for the sessions as for the orders.
const secret = process.env.SESSION_SECRET ?? randomBytes(32).toString("hex");
const store = new session.MemoryStore();
const orders = new Map();

const realtime = new Realtime(REALTIME_GRPC);
/** room is where the sockets of one login are: all tabs of one browser. */
const room = (sessionId) => `session:${sessionId}`;

const app = express();
app.set("trust proxy", "loopback");
app.use(session({ store, secret, name: "bar", resave: false, saveUninitialized: false, cookie: { sameSite: "lax", httpOnly: true } }));
app.use(express.urlencoded({ extended: false }), express.json());

const page = (name) => fileURLToPath(new URL(`public/${name}.html`, import.meta.url));
app.get("/", (request, response) => response.sendFile(page(request.session.user ? "bar" : "login")));
app.get("/me", loggedIn, (request, response) => {
  response.json({ user: request.session.user, menu: MENU, steps: STEPS, orders: [...orders.values()].filter(({ login }) => login === request.sessionID) });
});

app.post("/login", (request, response, next) => {
  const user = String(request.body.name ?? "").trim().slice(0, 30);
  if (!user) return response.redirect("/");
  request.session.regenerate((error) => {
    if (error) return next(error);
    request.session.user = user;
    request.session.save((failure) => (failure ? next(failure) : response.redirect("/")));
  });
});

app.post("/logout", loggedIn, async (request, response, next) => {
  const login = request.sessionID;
  request.session.destroy(async (error) => {
    if (error) return next(error);
    // The login is gone; so are its sockets, in all of its tabs.
    await realtime.disconnect({ rooms: [room(login)] }).catch(next);
    response.clearCookie("bar").redirect("/");
  });
});

// The order is an ordinary request. What becomes of it is told to all tabs of the browser that made it, and its receipt to the very tab.
app.post("/orders", loggedIn, async (request, response) => {
  const name = MENU[request.body.item];
  if (!name) return response.status(400).json({ error: "not on the menu" });
  const order = { id: randomBytes(3).toString("hex"), login: request.sessionID, name, step: STEPS[0], note: "" };
  orders.set(order.id, order);
  await realtime.emit({ rooms: [room(order.login)] }, "order", shown(order));
  if (request.body.socket) await realtime.emit({ sockets: [request.body.socket] }, "receipt", `${name}, order ${order.id}`);
  prepare(order).catch((error) => console.error(`order ${order.id}: ${error.message}`));
  response.status(202).json(shown(order));
});

async function prepare(order) {
  for (const step of STEPS.slice(1)) {
    await pause(Number(STEP_MS));
    order.step = step;
    await realtime.emit({ rooms: [room(order.login)] }, "order", shown(order));
  }
}

const shown = ({ id, name, step, note }) => ({ id, name, step, note });

app.use(express.static(fileURLToPath(new URL("public", import.meta.url)), { index: false }));

function loggedIn(request, response, next) {
  if (request.session.user) return next();
  response.status(401).json({ error: "please log in" });
}

/** loginOf is the session behind a Cookie header. */
async function loginOf(header) {
  const signed = cookie.parse(header ?? "").bar ?? "";
  const id = signed.startsWith("s:") && signature.unsign(signed.slice(2), secret);
  const found = id && (await new Promise((resolve, reject) => store.get(id, (error, one) => (error ? reject(error) : resolve(one)))));
  if (!found?.user) throw new Error("please log in");
  return { id, user: found.user };
}

realtime.admit(async ({ headers }) => {
  const { id, user } = await loginOf(headers.cookie);
  return { user, rooms: [room(id)] };
});

realtime.consume("coffee-bar", {
  // A page adds a note to an order, and is told whether there is one. The order belongs to the user of the socket, or it is none of theirs.
  note: async (event, id, text) => {
    const order = orders.get(id);
    const { user } = (order && (await new Promise((resolve) => store.get(order.login, (_, one) => resolve(one))))) ?? {};
    if (!order || user !== event.user) return "there is no such order";
    order.note = String(text).slice(0, 80);
    await realtime.emit({ rooms: [room(order.login)] }, "order", shown(order));
    return "noted";
  },
});

const server = app.listen(Number(PORT), "127.0.0.1", () => console.log(`the bar listens on 127.0.0.1:${server.address().port}`));
