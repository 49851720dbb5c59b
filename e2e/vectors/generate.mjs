// Writes the test vectors of the Go codecs with the JavaScript parsers, whose verdict is the measure:
//
//	wsedge/engineio/testdata/packets.json     engine.io-parser
//	wsedge/engineio/testdata/revision3.json   engine.io-parser 2.x, and engine.io for JSONP
//	wsedge/engineio/testdata/stream.json      engine.io-parser's streams
//	wsedge/socketio/testdata/packets.json     socket.io-parser
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

import { engineVectors } from "./engine.mjs";
import { revision3Vectors } from "./engine3.mjs";
import { socketVectors } from "./socket.mjs";
import { streamVectors } from "./stream.mjs";

const command = "npm --prefix e2e ci && node e2e/vectors/generate.mjs";
const root = process.argv[2] ?? join(dirname(fileURLToPath(import.meta.url)), "..", "..");
const require = createRequire(import.meta.url);

// version reads a package's name and version where the package was loaded from; its exports may hide package.json.
function version(name) {
  for (let dir = dirname(require.resolve(name)); ; dir = dirname(dir)) {
    try {
      const found = JSON.parse(readFileSync(join(dir, "package.json"), "utf8"));
      if (found.name && found.version) return `${found.name} ${found.version}`;
    } catch {
      // not in this folder
    }
    if (dir === dirname(dir)) throw new Error(`no package.json of ${name}`);
  }
}

function write(file, parsers, vectors) {
  const path = join(root, file);
  mkdirSync(dirname(path), { recursive: true });
  const head = { command, parser: parsers.map(version).join(", ") };
  writeFileSync(path, JSON.stringify({ ...head, ...vectors }, null, 1) + "\n");
}

write("wsedge/engineio/testdata/packets.json", ["engine.io-parser"], engineVectors());
write("wsedge/engineio/testdata/revision3.json", ["engine.io-parser-v3", "engine.io"], revision3Vectors());
write("wsedge/engineio/testdata/stream.json", ["engine.io-parser"], await streamVectors());
write("wsedge/socketio/testdata/packets.json", ["socket.io-parser"], socketVectors());
