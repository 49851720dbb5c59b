// Scenarios of the comparison, and how two transcripts are compared.

import assert from "node:assert/strict";
import { appendFileSync } from "node:fs";
import { after, afterEach, test } from "node:test";

import { OurTarget } from "../matrix/ours.mjs";
import { ReferenceTarget } from "../matrix/reference.mjs";
import { NAMESPACES, REFUSALS } from "../matrix/scenarios.mjs";
import { setups } from "./setups.mjs";
import { Toolkit } from "./toolkit.mjs";

/** Why a bad base64 message ends otherwise with us. */
export const LENIENT = "Node's decoder passes over what is not base64, and the message is then one too many; we say what it is";

/** The label of what a scenario could not do. */
const FAILED = "it failed";

/** Set-ups that run: name to a promise of both targets. PARITY_SHOW names a file that every transcript is added to. */
const running = {};

/** pair resolves to both targets of a set-up; they are started once for all scenarios. */
function pair(setup) {
  running[setup] ??= Promise.allSettled([
    ReferenceTarget.start({ namespaces: NAMESPACES, refusals: REFUSALS, options: setups[setup].options }),
    OurTarget.start({ namespaces: NAMESPACES, refusals: REFUSALS, flags: setups[setup].flags }),
  ]);
  return running[setup];
}

/**
 * compare defines the test of one scenario, whose name begins with the section of PROTOCOL.md that it shows. drive(toolkit) is run against the
 * reference and against the service that the set-up called setup makes, and both must give the same transcript. Where we differ on purpose,
 * differences has {why, reference, ours} under the label: then the test fails too if the difference is gone.
 */
export function compare(name, setup, drive, differences = {}) {
  test(name, async () => {
    const [reference, ours] = (await pair(setup)).map(({ value, reason }) => {
      if (reason) throw reason;
      return value;
    });
    const [theirs, own] = await Promise.all([record(reference, drive), record(ours, drive)]);
    assert.deepEqual(theirs.filter(([label]) => label === FAILED), [], "the reference cannot do it");
    if (process.env.PARITY_SHOW) appendFileSync(process.env.PARITY_SHOW, `${JSON.stringify({ name, reference: theirs, ours: own })}\n`);
    const expected = theirs.map(([label, value]) => {
      const difference = differences[label];
      if (!difference) return [label, value];
      assert.deepEqual(value, difference.reference, `the reference is not what it was said to be, ${label}: ${JSON.stringify(value)}`);
      return [label, difference.ours];
    });
    assert.deepEqual(own, expected);
    for (const label of Object.keys(differences)) assert.ok(theirs.some(([noted]) => noted === label), `${label} was not noted`);
  });
}

async function record(target, drive) {
  const toolkit = new Toolkit(target);
  try {
    await drive(toolkit);
  } catch (error) {
    toolkit.note(FAILED, error.message.slice(0, 300));
  } finally {
    toolkit.close();
  }
  return toolkit.transcript;
}

afterEach(async (t) => {
  if (t.passed === false && process.env.PARITY_LOGS) for (const one of Object.values(running)) console.error((await one)[1].value?.tail());
});

after(async () => {
  for (const both of Object.values(running)) for (const { value } of await both) await value?.stop();
});
