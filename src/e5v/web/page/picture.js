// An image to search by: dropped, pasted or chosen.
//
// file -> drawn smaller if it is large -> data URI -> kept in this browser under a key
//
// The key stands in the page's address, so that a search by an image survives a reload and "back".

const LARGE = 2_000_000; // bytes; a larger one is drawn anew before it is sent
const SIDE = 2_048; // pixels; more than any model looks at
const LARGEST = 20_000_000; // bytes of an image that this browser cannot draw smaller
const KEPT = 20; // images
const READABLE = "JPEG, PNG, WebP, GIF, TIFF, BMP, AVIF, HEIC";
const OTHER_FAULTS = /pixel|too large|larger than|took/i; // of an image that can be read

const pictures = new Map();

/** Keep a file as an image to search by, and return its key. */
export async function keep(file) {
  if (file.type && !file.type.startsWith("image/")) {
    throw new Error(`${file.name} is not an image; ${READABLE} can be read.`);
  }
  if (!file.size) throw new Error(`${file.name} is empty; there is no image in it.`);
  const sent = file.size > LARGE ? await smaller(file) : file;
  if (sent.size > LARGEST) throw new Error(`${file.name} is too large to send; make it smaller.`);
  const name = file.name || "pasted image";
  const image = await dataUri(sent).catch(() => {
    throw new Error(unreadable(name));
  });
  const key = Date.now().toString(36) + crypto.getRandomValues(new Uint32Array(1))[0].toString(36);
  pictures.set(key, { name, image });
  await store(key, { name, image });
  return key;
}

/** Return {name, image} of a key that was kept or recalled. */
export function picture(key) {
  return pictures.get(key);
}

/** Find an image again after a reload; return whether it is there. */
export async function recall(key) {
  if (pictures.has(key)) return true;
  const kept = await within("readonly", (images) => images.get(key));
  if (kept) pictures.set(key, kept);
  return Boolean(kept);
}

/** Return what to say where the image of an address is not in this browser. */
export function describeGone(hasWords) {
  const shared = "The image of this search is gone: it is kept only in the browser that it was given to.";
  const rest = hasWords ? " Until then, these are the results for the words alone." : "";
  return `${shared} Please drop it again.${rest}`;
}

/** Forget an image. */
export function forget(key) {
  pictures.delete(key);
  within("readwrite", (images) => images.delete(key));
}

/** Return why an image cannot be searched by, from the server's reason if there is one. */
export function unreadable(name, reason = "") {
  const cause = reason.replace(/^item \d+: (its image )?/, "");
  if (OTHER_FAULTS.test(cause)) return `${name} cannot be used: ${cause}`;
  return `${name} cannot be read; ${READABLE} are.`;
}

/** Return the first image of what was dropped or pasted; throw if it is a folder. */
export function imageIn(transfer) {
  const files = [...(transfer?.files ?? [])];
  const image = files.find((file) => file.type.startsWith("image/"));
  if (image) return image;
  for (const item of transfer?.items ?? []) {
    const entry = item.kind === "file" && item.webkitGetAsEntry?.();
    if (entry?.isDirectory) throw new Error(`${entry.name} is a folder; drop one of its images.`);
  }
  return files[0];
}

async function smaller(file) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file, { imageOrientation: "from-image" });
  } catch {
    return file; // the server may know the format
  }
  const scale = Math.min(1, SIDE / Math.max(bitmap.width, bitmap.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(bitmap.width * scale));
  canvas.height = Math.max(1, Math.round(bitmap.height * scale));
  const pen = canvas.getContext("2d");
  pen.fillStyle = "#fff";
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  return new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.92));
}

function dataUri(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(blob.type ? blob : new Blob([blob], { type: "image/png" }));
  });
}

/** Store an image; keys begin with the time, so that the oldest come first and are dropped. */
async function store(key, kept) {
  await within("readwrite", (images) => images.put(kept, key));
  const keys = (await within("readonly", (images) => images.getAllKeys())) ?? [];
  for (const old of keys.slice(0, -KEPT)) await within("readwrite", (images) => images.delete(old));
}

/** Do one thing in the browser's own database; nothing comes of it where a browser keeps none. */
async function within(mode, act) {
  try {
    const database = await opened();
    return await settled(act(database.transaction("images", mode).objectStore("images")));
  } catch {
    return undefined;
  }
}

let database;
function opened() {
  if (!database) {
    const request = indexedDB.open("e5v", 1);
    request.onupgradeneeded = () => request.result.createObjectStore("images");
    database = settled(request);
  }
  return database;
}

function settled(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
