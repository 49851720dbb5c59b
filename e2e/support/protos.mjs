// The contract, read from the repository's proto files as any service in another language would.

import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { credentials, loadPackageDefinition } from "@grpc/grpc-js";
import { loadFileDescriptorSetFromBuffer, loadSync } from "@grpc/proto-loader";

import { root } from "./binaries.mjs";

/** How messages look in JavaScript. */
export const loading = {
  longs: String,
  enums: String,
  defaults: true,
  oneofs: true,
  includeDirs: [join(root, "proto"), fileURLToPath(new URL("protos", import.meta.url))],
};

const files = ["admission_service", "emit_service", "event_service", "room_service", "socket_service"];
const realtime = loadPackageDefinition(loadSync(files.map((name) => `realtime/v1/${name}.proto`), loading)).realtime.v1;

/** stub makes a client of one of our services, on a connection of its own or on channel. */
export function stub(service, address, channel) {
  return new realtime[service](address, credentials.createInsecure(), {
    ...(channel && { channelOverride: channel }),
    "grpc.max_receive_message_length": 16 << 20,
    // Not shared with other tests, and quick to come back to a service that was restarted.
    "grpc.use_local_subchannel_pool": 1,
    "grpc.initial_reconnect_backoff_ms": 50,
    "grpc.max_reconnect_backoff_ms": 200,
  });
}

/** packageOf turns descriptors that a server's reflection gave into stubs. */
export function packageOf(descriptorSet) {
  return loadPackageDefinition(loadFileDescriptorSetFromBuffer(descriptorSet, loading));
}
