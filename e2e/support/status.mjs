// What a failed call says: its status and the details in its trailer.

import assert from "node:assert/strict";

import { status } from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";

import { loading } from "./protos.mjs";

const types = loadSync("google/rpc/details.proto", loading);

/** statusOf is a call's error as {code: "NOT_FOUND", message, violations: {field: description}, reason, metadata, retry}. */
export function statusOf(error) {
  if (typeof error.code !== "number" || !error.metadata) throw error;
  const said = { code: status[error.code], message: error.details, violations: {} };
  const [raw] = error.metadata.get("grpc-status-details-bin");
  if (!raw) return said;
  for (const { type_url: typeUrl, value } of types["google.rpc.Status"].deserialize(raw).details) {
    const name = typeUrl.slice(typeUrl.lastIndexOf("/") + 1);
    const detail = types[name].deserialize(value);
    if (name === "google.rpc.BadRequest") {
      for (const { field, description } of detail.fieldViolations) said.violations[field] = description;
    } else if (name === "google.rpc.ErrorInfo") {
      Object.assign(said, { reason: detail.reason, domain: detail.domain, metadata: detail.metadata });
    } else if (name === "google.rpc.RetryInfo") {
      said.retry = detail.retryDelay;
    }
  }
  return said;
}

/** failsWith checks that a call fails with this code and, if they are given, for this reason and because of exactly these fields. */
export async function failsWith(call, { code, reason, fields }) {
  const error = await call.then(
    (answer) => assert.fail(`the call should have failed with ${code}, it answered ${JSON.stringify(answer)}`),
    (failure) => failure,
  );
  const said = statusOf(error);
  const shown = JSON.stringify(said);
  assert.equal(said.code, code, shown);
  if (reason) {
    assert.equal(said.reason, reason, shown);
    assert.equal(said.domain, "realtime-svc", shown);
  }
  if (fields) assert.deepEqual(Object.keys(said.violations).sort(), [...fields].sort(), shown);
  return said;
}
