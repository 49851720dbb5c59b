// The page: an ordinary app with ordinary requests, which hears over Socket.IO what becomes of its orders.

const $ = (id) => document.getElementById(id);
const me = await (await fetch("/me")).json();
$("who").textContent = me.user;

const socket = io(); // the same origin, and so the cookie of the login
const status = (text, kind) => Object.assign($("status"), { textContent: text, className: `status ${kind}` });
socket.on("connect", () => status("live", "good"));
socket.on("connect_error", (error) => {
  status(error.message, "bad");
  // Refused, not unreachable: the login is over.
  if (!socket.active) setTimeout(() => location.assign("/"), 1500);
});
socket.on("disconnect", (reason) => {
  status(reason === "io server disconnect" ? "logged out" : "connecting", "bad");
  if (reason === "io server disconnect") setTimeout(() => location.assign("/"), 1500);
});
socket.on("order", show);
socket.on("receipt", (text) => toast(`Receipt: ${text}`));

for (const [item, name] of Object.entries(me.menu)) {
  const button = Object.assign(document.createElement("button"), { textContent: name, className: "item" });
  button.dataset.item = item;
  button.onclick = async () => {
    button.disabled = true;
    const answer = await fetch("/orders", {
      method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ item, socket: socket.id }),
    });
    button.disabled = false;
    if (!answer.ok) toast((await answer.json()).error);
  };
  $("menu").append(button);
}
for (const order of me.orders) show(order);

/** show draws an order, or what has changed of it. */
function show({ id, name, step, note }) {
  let li = document.querySelector(`[data-order="${id}"]`);
  if (!li) {
    li = $("order").content.firstElementChild.cloneNode(true);
    li.dataset.order = id;
    li.querySelector(".name").textContent = name;
    li.querySelector(".id").textContent = id;
    for (const _ of me.steps) li.querySelector(".track").append(document.createElement("i"));
    li.querySelector("form").onsubmit = (event) => send(event, id);
    $("orders").prepend(li);
    $("empty").hidden = true;
  }
  const at = me.steps.indexOf(step);
  li.querySelector(".step").textContent = step;
  li.classList.toggle("ready", at === me.steps.length - 1);
  [...li.querySelector(".track").children].forEach((part, n) => part.classList.toggle("done", n <= at));
  li.querySelector(".noted").textContent = note ? `“${note}”` : "";
}

async function send(event, id) {
  event.preventDefault();
  const field = event.target.querySelector("input");
  if (!field.value) return;
  toast(await socket.timeout(5000).emitWithAck("note", id, field.value).catch(() => "The bar does not answer."));
  field.value = "";
}

function toast(text) {
  const div = Object.assign(document.createElement("div"), { textContent: text, className: "toast" });
  $("toasts").append(div);
  setTimeout(() => div.remove(), 4000);
}
