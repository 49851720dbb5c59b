// What grpcurl does: it learns a server's services from its reflection and calls them, with no files at hand.

import { once } from "node:events";

import { credentials, loadPackageDefinition } from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";

import { within } from "./inbox.mjs";
import { loading, packageOf } from "./protos.mjs";

const definition = loadSync("grpc/reflection.proto", loading);
const { ServerReflection } = loadPackageDefinition(definition).grpc.reflection.v1;

/** Reflection asks one server. */
export class Reflection {
  #client;
  #call;
  #address;

  constructor(address) {
    this.#address = address;
    this.#client = new ServerReflection(address, credentials.createInsecure());
    this.#call = this.#client.serverReflectionInfo();
    this.#call.on("error", () => {}); // reported by the question that is open
  }

  async #ask(request) {
    this.#call.write(request);
    const [response] = await within(once(this.#call, "data"), "an answer of the reflection service");
    if (response.errorResponse) throw new Error(response.errorResponse.errorMessage);
    return response;
  }

  /** services resolves to the names of all services. */
  async services() {
    const { listServicesResponse } = await this.#ask({ listServices: "*" });
    return listServicesResponse.service.map(({ name }) => name);
  }

  /** stub resolves to a client of a service that is known by nothing but its name. */
  async stub(service) {
    const { fileDescriptorResponse: found } = await this.#ask({ fileContainingSymbol: service });
    // A FileDescriptorSet has its files where the answer has them.
    const set = definition["grpc.reflection.v1.FileDescriptors"].serialize(found);
    const Stub = service.split(".").reduce((scope, name) => scope[name], packageOf(set));
    return new Stub(this.#address, credentials.createInsecure());
  }

  close() {
    this.#call.cancel();
    this.#client.close();
  }
}
