// Pictures on their way out: checked, and made smaller where they are too big to send.

import { bytes } from "./format.js";

/** What the backend takes. It leaves room for base64 in a polling request, of which the service takes 1 MB. */
export const MAX_BYTES = 700_000;
/** What a page reads at all. */
const MAX_FILE_BYTES = 15_000_000;
const TYPES = ["image/png", "image/jpeg", "image/gif", "image/webp"];
/** Longest side in pixels and JPEG quality, tried in this order. */
const ATTEMPTS = [[1920, 0.85], [1600, 0.75], [1200, 0.7], [800, 0.6]];

/** prepare turns a File into {name, type, data: ArrayBuffer}; it rejects with a text for people. */
export async function prepare(file) {
  const name = file.name || "picture";
  if (!TYPES.includes(file.type)) throw new Error(`${name} is not a picture this chat can show. PNG, JPEG, GIF and WebP are fine.`);
  if (file.size > MAX_FILE_BYTES) throw new Error(`${name} is too big: ${bytes(file.size)}. Pictures may have up to ${bytes(MAX_FILE_BYTES)}.`);
  if (file.size <= MAX_BYTES) return { name, type: file.type, data: await file.arrayBuffer() };
  if (file.type === "image/gif") throw new Error(`${name} is too big: ${bytes(file.size)}. Moving pictures may have up to ${bytes(MAX_BYTES)}.`);
  return { name, type: "image/jpeg", data: await shrink(file, name) };
}

async function shrink(file, name) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    throw new Error(`${name} could not be read as a picture.`);
  }
  try {
    for (const [side, quality] of ATTEMPTS) {
      const blob = await draw(bitmap, side, quality);
      if (blob && blob.size <= MAX_BYTES) return await blob.arrayBuffer();
    }
  } finally {
    bitmap.close();
  }
  throw new Error(`${name} is too big: ${bytes(file.size)}, and could not be made small enough.`);
}

function draw(bitmap, side, quality) {
  const scale = Math.min(1, side / Math.max(bitmap.width, bitmap.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(bitmap.width * scale));
  canvas.height = Math.max(1, Math.round(bitmap.height * scale));
  const context = canvas.getContext("2d");
  // JPEG has no transparency: what shines through becomes white, not black.
  context.fillStyle = "#fff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  return new Promise((done) => canvas.toBlob(done, "image/jpeg", quality));
}
