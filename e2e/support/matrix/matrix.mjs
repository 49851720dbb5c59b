// The matrix: every client in every mode through every scenario.

import { after, afterEach, before, test } from "node:test";

import { modes } from "../clients.mjs";
import { javascript } from "./javascript.mjs";
import { python } from "./python.mjs";
import { comesBack, NAMESPACES, REFUSALS, scenarios } from "./scenarios.mjs";

const versions = ["1.4", "1.7", "2.1", "2.5", "3.1", "4.0", "4.5"];
const drivers = [
  ...versions.map((version) => javascript(version, `socket.io-client-${version}`)),
  javascript("4.8", "socket.io-client"),
  await python(),
];

/** matrix defines the tests of one kind of target, which is OurTarget or ReferenceTarget. */
export function matrix(Target) {
  const targets = [];
  const begin = async () => {
    const target = await Target.start({ namespaces: NAMESPACES, refusals: REFUSALS });
    targets.push(target);
    return target;
  };
  let shared;
  before(async () => (shared = await begin()));
  afterEach((t) => {
    if (t.passed === false) console.error(`${t.fullName} failed\n${targets.at(-1).tail()}`);
  });
  after(async () => {
    for (const target of targets) await target.stop();
    for (const driver of drivers) await driver.close();
  });

  for (const driver of drivers) {
    for (const mode of modes) {
      for (const [name, scenario] of Object.entries(scenarios)) {
        test(`${driver.name} / ${mode.name} / ${name}`, () => run(scenario, driver, mode, shared));
      }
    }
    // The modes share one restart, as a process takes longer to start than all of them to come back.
    test(`${driver.name} / all modes / the server is killed, and they come back`, async () => {
      await runInAllModes(driver, await begin());
    });
  }
}

async function run(scenario, driver, mode, target) {
  const opened = [];
  const open = (options) => {
    const connection = driver.open(target.url, mode, options);
    opened.push(connection);
    return connection;
  };
  try {
    await scenario({ target, driver, mode, open });
  } finally {
    for (const connection of opened) await connection.close();
  }
}

/** runInAllModes kills the target once all modes are connected, and each goes on by itself. */
async function runInAllModes(driver, target) {
  const allAt = (step) => meeting(modes.length, step);
  const kill = allAt(() => target.kill());
  const restart = allAt(() => target.restart());
  const shared = { url: target.url, kill, restart, tell: (...more) => target.tell(...more), received: (...more) => target.received(...more) };
  await Promise.all(modes.map((mode) => run(comesBack, driver, mode, shared)));
}

/** meeting is a function that takes its step when it is called for the nth time, and resolves for all who called it. */
function meeting(n, step) {
  let arrived = 0;
  let done;
  const taken = new Promise((resolve) => { done = resolve; });
  return () => {
    if (++arrived === n) done(step());
    return taken;
  };
}
