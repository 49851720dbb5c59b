// Pictures in the conversation: bytes from the wire become blob images; those that the history only mentions are fetched when they come into view.

import { fetchPicture } from "../connection.js";
import { h } from "../dom.js";
import { showPicture } from "./lightbox.js";

const whenInView = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    whenInView.unobserve(entry.target);
    entry.target.dispatchEvent(new Event("inview"));
  }
}, { rootMargin: "200px" });

/** pictureElement shows a picture {id?, name, type, data?, url?} and keeps its blob's address in it. */
export function pictureElement(picture, nickname) {
  const caption = `${picture.name} · ${nickname}`;
  const frame = h("button", { class: "picture", type: "button", "data-testid": "picture", "aria-label": `Picture from ${nickname}: ${picture.name}` });
  frame.addEventListener("click", () => picture.url && showPicture(picture.url, picture.name, caption));

  const show = () => {
    picture.url ??= URL.createObjectURL(new Blob([picture.data], { type: picture.type }));
    delete picture.data;
    frame.classList.remove("loading");
    frame.replaceChildren(h("img", { src: picture.url, alt: picture.name, "data-testid": "picture-image", onerror: () => gone("This picture cannot be shown.") }));
  };
  const gone = (text) => {
    frame.className = "picture gone";
    frame.disabled = true;
    frame.replaceChildren(text);
  };
  const load = async () => {
    try {
      Object.assign(picture, await fetchPicture(picture.id));
      show();
    } catch (refusal) {
      gone(refusal.message);
    }
  };

  if (picture.url || picture.data) {
    show();
  } else {
    frame.classList.add("loading");
    frame.addEventListener("inview", load, { once: true });
    whenInView.observe(frame);
  }
  return frame;
}
