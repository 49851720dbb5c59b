// Arguments as the control plane has them: JSON with placeholders, and the binary values beside it.

const replace = (value, each) => {
  const found = each(value);
  if (found !== undefined) return found;
  if (Array.isArray(value)) return value.map((item) => replace(item, each));
  if (value && typeof value === "object") return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, replace(item, each)]));
  return value;
};

/** scatter takes the binary values out of arguments: {arguments, attachments}. */
export function scatter(args) {
  const attachments = [];
  const text = replace(args, (value) => (Buffer.isBuffer(value) ? { _placeholder: true, num: attachments.push(value) - 1 } : undefined));
  return { arguments: JSON.stringify(text), attachments };
}

/** gather puts them back. */
export function gather(text, attachments) {
  if (attachments.length === 0) return JSON.parse(text);
  return replace(JSON.parse(text), (value) => (value?._placeholder === true ? Buffer.from(attachments[value.num]) : undefined));
}

/** toLine and fromLine carry binary values through a line of JSON. */
export const toLine = (value) => replace(value, (item) => (Buffer.isBuffer(item) ? { $binary: item.toString("base64") } : undefined));
export const fromLine = (value) => replace(value, (item) => (typeof item?.$binary === "string" ? Buffer.from(item.$binary, "base64") : undefined));

/** asBuffers makes Buffers of whatever a client takes for binary: they differ between the clients' generations. */
export const asBuffers = (value) => replace(value, (item) => {
  if (item instanceof ArrayBuffer) return Buffer.from(item);
  return ArrayBuffer.isView(item) ? Buffer.from(item.buffer, item.byteOffset, item.byteLength) : undefined;
});
