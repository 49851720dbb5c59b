// The example chat: its backend, and a person in front of its page.

import { join } from "node:path";

import { binary, root } from "./binaries.mjs";
import { Visitor } from "./browser.mjs";
import { Process } from "./process.mjs";

/** The flags that the service is started with for the chat. */
export const flags = { webRoot: join(root, "examples", "chat", "web"), admissionPolicy: "deny" };

/** startBackend starts the chat's backend and resolves to its process when it is attached to the service. */
export async function startBackend(grpc) {
  const backend = new Process("chat", binary("chat"), ["--grpc", grpc]);
  await attached(backend, 1);
  return backend;
}

/** attached resolves when the backend has attached for the nth time. */
export function attached(backend, nth) {
  let seen = 0;
  return backend.line((line) => (line.includes('msg="attached to realtime-svc') && ++seen === nth) || null, "the backend to be attached");
}

/** Person is somebody who uses the chat. */
export class Person {
  static async arrive(browser, url, options) {
    return new Person(await Visitor.open(browser, url, options));
  }

  constructor(visitor) {
    this.visitor = visitor;
    this.page = visitor.page;
  }

  /** enter signs in and resolves when the page is online. */
  async enter(nickname) {
    await this.tryToEnter(nickname);
    await this.online();
    return this;
  }

  async tryToEnter(nickname) {
    await this.at("nickname-input").fill(nickname);
    await this.at("login-button").click();
  }

  /** refusal resolves to the text that says why the nickname is not accepted. */
  async refusal() {
    await this.page.waitForFunction(() => document.getElementById("login-error").textContent !== "");
    return this.at("login-error").textContent();
  }

  /** status resolves when the page is in this state; on a telephone what shows it is behind a menu. */
  status(state) {
    return this.at("status", { "data-state": state }).waitFor({ state: "attached" });
  }

  online() {
    return this.status("online");
  }

  /** carriedBy resolves when the page says that this transport carries its connection. */
  async carriedBy(name) {
    await this.at("status").filter({ hasText: `Online · ${name}` }).waitFor();
  }

  /** enterRoom joins a room by the form; openRoom clicks one that is listed. */
  async enterRoom(name) {
    await this.at("room-input").fill(name);
    await this.at("room-button").click();
    await this.at("conversation-title").filter({ hasText: name }).waitFor();
  }

  async openRoom(name) {
    await this.at("room", { "data-room": name }).click();
    await this.at("conversation-title").filter({ hasText: name }).waitFor();
  }

  async leaveRoom() {
    await this.at("leave-room").click();
  }

  /** writeTo opens the private conversation with somebody who is here. */
  async writeTo(nickname) {
    await this.at("person", { "data-nickname": nickname }).click();
    await this.at("conversation-title").filter({ hasText: nickname }).waitFor();
  }

  /** openPrivate opens a private conversation that somebody else has begun. */
  async openPrivate(nickname) {
    await this.at("private", { "data-nickname": nickname }).click();
  }

  async say(text) {
    await this.at("message-input").fill(text);
    await this.at("message-input").press("Enter");
  }

  async type(text) {
    await this.at("message-input").pressSequentially(text);
  }

  async sendPicture(file) {
    await this.at("picture-input").setInputFiles(file);
  }

  /** sees resolves when a message of somebody with this text is on screen, exactly once. */
  async sees(author, text) {
    const message = this.message(author, text);
    await message.first().waitFor();
    const count = await message.count();
    if (count !== 1) throw new Error(`${author}'s "${text}" is there ${count} times`);
  }

  message(author, text) {
    return this.at("message", { "data-author": author }).filter({ hasText: text });
  }

  /** seen resolves when our message with this text is marked as seen by so many. */
  async seen(author, text, count) {
    await this.message(author, text).locator(`[data-testid="message-state"][data-state="seen"][data-seen="${count}"]`).waitFor();
  }

  /** people resolves when exactly these are in the conversation that is shown. */
  async people(...nicknames) {
    await this.page.waitForFunction((wanted) => {
      const here = [...document.querySelectorAll('[data-testid="people-list"] [data-testid="person"]')].map((one) => one.dataset.nickname);
      return JSON.stringify(here.sort()) === JSON.stringify(wanted);
    }, nicknames.sort());
  }

  /** picture resolves to {width, height, pixels} of the last picture of somebody, once it is shown. */
  async picture(author) {
    const image = this.at("message", { "data-author": author }).locator('[data-testid="picture-image"]').last();
    await image.waitFor();
    return image.evaluate(async (shown) => {
      await shown.decode();
      const { naturalWidth: width, naturalHeight: height } = shown;
      const canvas = Object.assign(document.createElement("canvas"), { width, height });
      canvas.getContext("2d").drawImage(shown, 0, 0);
      return { width, height, pixels: canvas.toDataURL() };
    });
  }

  /** at is the element, or the elements, with this data-testid. */
  at(id, attributes) {
    return this.visitor.byTestId(id, attributes);
  }
}
