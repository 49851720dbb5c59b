// Writes the test vectors of the Go codecs with the JavaScript parsers, whose verdict is the measure:
//
//	wsedge/engineio/testdata/packets.json   engine.io-parser
//	wsedge/socketio/testdata/packets.json   socket.io-parser
//	wsedge/socketio/testdata/clients.json   socket.io-parser of clients 1.x and 2.x
//	wsedge/socketio/testdata/msgpack.json   socket.io-msgpack-parser
//
// Run it after a change of the parsers' versions, from the root of the repository:
//
//	npm --prefix e2e ci && node e2e/vectors/generate.mjs
//
// The files are committed; the same versions write the same bytes. An argument names another root to write to.

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { clientVectors } from "./clients.mjs";
import { engineVectors } from "./engine.mjs";
import { msgpackVectors } from "./msgpack.mjs";
import { socketVectors } from "./socket.mjs";

const command = "npm --prefix e2e ci && node e2e/vectors/generate.mjs";
const root = process.argv[2] ?? join(dirname(fileURLToPath(import.meta.url)), "..", "..");
const require = createRequire(import.meta.url);

// version reads a package's version where the package was loaded from; its exports may hide package.json. A package may be
// installed under another name than its own.
function version(name, installed = name) {
  for (let dir = dirname(require.resolve(installed)); ; dir = dirname(dir)) {
    try {
      const found = JSON.parse(readFileSync(join(dir, "package.json"), "utf8"));
      if (found.name === name && found.version) return found.version;
    } catch {
      // not in this folder
    }
    if (dir === dirname(dir)) throw new Error(`no package.json of ${name}`);
  }
}

function write(file, parser, vectors, installed = [parser]) {
  const path = join(root, file);
  mkdirSync(dirname(path), { recursive: true });
  const head = { command, parser: `${parser} ${installed.map((name) => version(parser, name)).join(", ")}` };
  writeFileSync(path, JSON.stringify({ ...head, ...vectors }, null, 1) + "\n");
}

write("wsedge/engineio/testdata/packets.json", "engine.io-parser", engineVectors());
write("wsedge/socketio/testdata/packets.json", "socket.io-parser", socketVectors());
write("wsedge/socketio/testdata/clients.json", "socket.io-parser", clientVectors(), ["socket.io-parser-v2", "socket.io-parser-v3", "socket.io-parser"]);
write("wsedge/socketio/testdata/msgpack.json", "socket.io-msgpack-parser", msgpackVectors());
