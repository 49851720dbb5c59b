// A picture in full size. The dialog element gives us the focus trap and Escape.

import { byId } from "../dom.js";

const dialog = byId("lightbox");
const image = byId("lightbox-image");

dialog.addEventListener("click", (event) => {
  if (event.target !== image) dialog.close();
});
dialog.addEventListener("close", () => image.removeAttribute("src"));

export function showPicture(url, name, caption) {
  image.src = url;
  image.alt = name;
  byId("lightbox-caption").textContent = caption;
  dialog.showModal();
}
