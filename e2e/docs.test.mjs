// What the documentation says is so: its commands run, its calls are taken, its links lead somewhere, and what it names exists.
//
// Every block of `sh` is run, in the order of its file, in a copy of the repository, with the addresses of a service that is started for it. A line that
// would start the service checks its settings instead, and `make` says only what it would do. A comment before a block says more:
//   <!-- goes on -->            it does not end by itself: it is ended when it has said something
//   <!-- answers: TEXT -->      the same, and a client's hello is answered with this text
//   <!-- fails -->              its exit code is not 0
//   <!-- alone -->              it is run against a service of its own, which it may end
//   <!-- not tested: WHY -->    it is left out, which the test says
//   <!-- file: PATH -->         the block of any language is written there

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { after, before, describe, test } from "node:test";

import { io } from "socket.io-client";

import { binary, root } from "./support/binaries.mjs";
import { within } from "./support/inbox.mjs";
import { fixedAddresses, Service } from "./support/service.mjs";

const glob = (pattern) => execFileSync("git", ["ls-files", "-co", "--exclude-standard", pattern], { cwd: root, encoding: "utf8" }).trim().split("\n").filter(Boolean);
const files = ["README.md", ...glob("docs/*.md"), ...glob("examples/*/README.md"), "bench/README.md"];
const text = Object.fromEntries(files.map((file) => [file, readFileSync(join(root, file), "utf8")]));

/** blocks are the fenced blocks of a file: {language, body, note, line}; note is the comment before it. */
function blocks(file) {
  const found = [];
  let open, note;
  text[file].split("\n").forEach((line, i) => {
    const fence = /^```(\w*)/.exec(line);
    if (open) {
      if (line === "```") {
        found.push(open);
        open = note = undefined;
      } else open.body += `${line}\n`;
    } else if (fence) open = { language: fence[1], body: "", note, line: i + 1 };
    else if (line.trim()) note = /^<!-- (.*) -->$/.exec(line.trim())?.[1];
  });
  return found;
}

/** prose is a file without its blocks. */
const prose = (file) => text[file].replace(/^```[\s\S]*?^```/gm, "");

let sandbox, service, http, socket;

/** here puts the addresses of the service into the place of the usual ones. */
const here = (script, at = service) => script
  .replace(/(127\.0\.0\.1|localhost):9090/g, at.grpc).replace(/(127\.0\.0\.1|localhost):9091/g, at.admin)
  .replace(/(127\.0\.0\.1|localhost):9092/g, http).replace(/(127\.0\.0\.1|localhost):8080/g, at.edge);

/** ID is the id of a socket that is there, in the rooms a and b. */
async function somebody() {
  if (!socket?.connected) {
    socket?.close();
    socket = io(service.url, { transports: ["websocket"], forceNew: true });
    socket.onAny((...args) => typeof args.at(-1) === "function" && args.at(-1)("yes"));
    await within(new Promise((done) => socket.once("connect", done)), "a client");
  }
  return socket.id;
}

before(async () => {
  const { listen } = await fixedAddresses();
  http = listen;
  service = await Service.start({ httpListen: http, adminProfiles: true, namespaces: "/,/chat" });
  sandbox = mkdtempSync(join(tmpdir(), "docs-"));
  const names = execFileSync("git", ["ls-files", "-co", "--exclude-standard"], { cwd: root, encoding: "utf8" }).trim().split("\n");
  for (const name of names) {
    if (!existsSync(join(root, name))) continue;
    mkdirSync(dirname(join(sandbox, name)), { recursive: true });
    cpSync(join(root, name), join(sandbox, name));
  }
  mkdirSync(join(sandbox, "bin"), { recursive: true });
  symlinkSync(binary("realtime-svc"), join(sandbox, "bin", "realtime-svc"));
  symlinkSync("/usr/bin/python3", join(sandbox, "bin", "python3")); // the one that Debian's packages are for
  execFileSync("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1", "-subj", "/CN=localhost",
    "-keyout", join(sandbox, "key.pem"), "-out", join(sandbox, "cert.pem")], { stdio: "ignore" });
});

after(async () => {
  socket?.close();
  await service?.close();
  if (sandbox) rmSync(sandbox, { recursive: true, force: true });
});

/** start runs a script; said resolves with its first line, ended with {code, output}. */
function start(script) {
  const env = { ...process.env, PATH: `${join(sandbox, "bin")}:${join(root, ".bin")}:${process.env.PATH}`, REALTIME_ADDRESS: service.grpc, NO_COLOR: "1" };
  for (const name of Object.keys(env)) if (name.startsWith("REALTIME_") && name !== "REALTIME_ADDRESS") delete env[name];
  const child = spawn("bash", ["-euo", "pipefail", "-c", script], { cwd: sandbox, env, detached: true, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  const said = new Promise((done) => {
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => done((output += data)));
  });
  const ended = new Promise((done) => child.on("close", (code) => done({ code, output })));
  const kill = () => {
    try {
      process.kill(-child.pid, "SIGKILL");
    } catch {} // it has ended
  };
  return { said, ended, kill, output: () => output };
}

/** tamed is a block as it is run. */
function tamed(body, at) {
  return here(body, at)
    .replace(/^(bin\/)?realtime-svc( --.*)?$/gm, (_, at, flags) => `realtime-svc config check${flags ?? ""}`)
    .replace(/^make (\S+)/gm, "make -n $1 >/dev/null");
}

for (const file of files) {
  describe(file, () => {
    for (const { language, body, note = "", line } of blocks(file)) {
      const target = /^file: (.*)/.exec(note)?.[1];
      if (target) {
        before(() => {
          mkdirSync(dirname(join(sandbox, target)), { recursive: true });
          writeFileSync(join(sandbox, target), here(body));
        });
      }
      if (language !== "sh") continue;
      const why = /^not tested: (.+)/.exec(note)?.[1];
      test(`line ${line}${why ? `: not run, ${why}` : ""}`, async () => {
        if (why) return;
        await somebody();
        const alone = note === "alone" && (await Service.start());
        const run = start(tamed(body, alone || service));
        try {
          const answer = /^answers: (.*)/.exec(note)?.[1];
          if (answer) {
            let got;
            // It may have to be compiled, or fetched from npm, before it answers.
            for (const patience = Date.now() + 120_000; got !== answer && Date.now() < patience; ) {
              got = await socket.timeout(2_000).emitWithAck("hello", "there").catch(() => null);
            }
            assert.equal(got, answer, run.output());
          } else if (note === "goes on") {
            const talk = setInterval(() => socket.emit("hello", "there"), 100); // what it may be waiting for
            await within(Promise.race([run.said, run.ended]), `${body} to say something`).finally(() => clearInterval(talk));
          } else {
            const { code, output } = await within(run.ended, `${body} to end`);
            assert.equal(code !== 0, note === "fails", `exit code ${code}\n${body}\n${output}`);
          }
        } finally {
          run.kill();
          if (alone) await alone.close();
        }
      });
    }

    test("links lead somewhere", () => {
      for (const [, link] of prose(file).matchAll(/\]\(([^)\s]+)\)/g)) {
        if (/^https?:|…/.test(link)) continue;
        const [path, anchor] = link.split("#");
        const at = path ? resolve(root, dirname(file), path) : join(root, file);
        assert.ok(existsSync(at), `${file}: ${link} is not there`);
        if (!anchor) continue;
        const slugs = readFileSync(at, "utf8").split("\n").filter((one) => /^#+ /.test(one))
          .map((one) => one.replace(/^#+ /, "").toLowerCase().replace(/[^\p{L}\p{N}\s_-]/gu, "").trim().replace(/\s/g, "-"));
        assert.ok(slugs.includes(anchor.toLowerCase()) || readFileSync(at, "utf8").includes(`name="${anchor}"`), `${file}: ${link} has no such heading`);
      }
    });
  });
}

test("calls that are written in a line are taken", async () => {
  let count = 0;
  for (const file of files) {
    for (const [, method, path, body] of prose(file).matchAll(/`(GET|POST) (\/v1\/[^\s`{]+(?:\?[^\s`]+)?)(?: (\{.*?\}))?`(?=[^`]*)/g)) {
      if (/\{/.test(path) || (method === "POST" && !body)) continue; // a route, not a call
      const id = await somebody();
      const quit = new AbortController();
      const answer = await fetch(`http://${http}${path.replace("ID", id)}`, {
        method, body: body?.replaceAll("\\\\", "\\").replace('"ID"', `"${id}"`).replaceAll("\\|", "|"), signal: quit.signal,
        headers: method === "POST" ? { "content-type": "application/json" } : {},
      });
      if (answer.status !== 200) assert.fail(`${file}: ${method} ${path} ${body ?? ""}: ${answer.status} ${await answer.text()}`);
      quit.abort();
      count++;
    }
  }
  assert.ok(count > 25, `${count} calls`);
});

test("commands of curl in tables are run", async () => {
  let count = 0;
  for (const file of files) {
    for (const [, command] of prose(file).matchAll(/`(curl [^`]*127\.0\.0\.1[^`]*)`/g)) {
      if (/node:drain|ACK_TOKEN/.test(command)) continue; // it would end the service for those that follow; what only stands for something
      const id = await somebody();
      const run = start(`${here(command.replaceAll("\\|", "|")).replace("curl ", "curl -s -m 2 -o /dev/null -w '%{http_code}' ").replace("SOCKET_ID", id)} || [ $? = 28 ]`);
      const { code, output } = await within(run.ended, `${command} to end`);
      assert.ok(code === 0 && output.includes("200"), `${file}: ${command}: ${code} ${output}`);
      count++;
    }
  }
  assert.ok(count > 8, `${count} commands`);
});

test("settings and metrics that are named exist", () => {
  const settings = new Set([...text["docs/configuration.md"].matchAll(/--([a-z0-9-]+)/g)].map(([, name]) => name));
  for (const command of ["emit", "request", "rooms", "sockets list", "sockets disconnect", "watch", "drain", "token", "version"]) {
    const help = execFileSync(binary("realtime-svc"), [...command.split(" "), "--help"], { encoding: "utf8", env: { PATH: process.env.PATH } });
    for (const [, name] of help.matchAll(/--(?:\[no-\])?([a-z0-9-]+)/g)) settings.add(name);
  }
  const metrics = text["docs/metrics.md"];
  for (const file of files) {
    if (file === "bench/README.md") continue;
    for (const [, code] of prose(file).matchAll(/`([^`]+)`/g)) {
      for (const [, name] of code.startsWith("--") ? code.matchAll(/--([a-z0-9-]+)/g) : []) {
        assert.ok(settings.has(name) || settings.has(name.replace(/^no-/, "")) || name.endsWith("-"), `${file}: no setting --${name}`);
      }
      for (const [name] of code.matchAll(/\brealtime_[a-z_]+\b/g)) assert.ok(metrics.includes(`\`${name}`), `${file}: no metric ${name}`);
    }
  }
});
