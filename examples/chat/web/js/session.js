// What a tab remembers over a reload. The key tells the backend that a nickname which seems taken is held by this very tab, whose old
// socket the server has not missed yet.

const KEY = "chat";

function read() {
  try {
    return JSON.parse(sessionStorage.getItem(KEY)) ?? {};
  } catch {
    return {};
  }
}

const state = { nickname: "", rooms: ["lobby"], ...read() };
state.key ??= randomID();

/** randomID is 32 hexadecimal digits. crypto.randomUUID would do, but exists over HTTPS and on localhost only. */
export function randomID() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export const session = {
  get nickname() { return state.nickname; },
  get key() { return state.key; },
  get rooms() { return state.rooms; },

  remember(changes) {
    Object.assign(state, changes);
    try {
      sessionStorage.setItem(KEY, JSON.stringify(state));
    } catch {
      // Storage may be switched off: then a reload asks for the nickname again.
    }
  },
};
