// A picture to search by: dropped, pasted or chosen.
//
// file -> drawn smaller if it is large -> data URI, kept for as long as the page is

const LARGE = 2_000_000; // bytes; a larger one is drawn anew before it is sent
const SIDE = 2_048; // pixels; more than any model looks at
const LARGEST = 20_000_000; // bytes, of what cannot be drawn here

const pictures = new Map();

/** Keep a file as a picture, and return its key. */
export async function keep(file) {
  if (file.type && !file.type.startsWith("image/")) {
    throw new Error(`${file.name} is not an image.`);
  }
  const sent = file.size > LARGE ? await smaller(file) : file;
  if (sent.size > LARGEST) throw new Error(`${file.name} is too large to send; make it smaller.`);
  const key = crypto.getRandomValues(new Uint32Array(2)).join("-");
  const image = await dataUri(sent);
  pictures.set(key, { name: file.name || "pasted image", image });
  return key;
}

/** Return {name, image} of a key; nothing after the page was loaded anew. */
export function picture(key) {
  return pictures.get(key);
}

/** Return the first image of what was dropped or pasted. */
export function imageIn(transfer) {
  const files = [...(transfer?.files ?? [])];
  return files.find((file) => file.type.startsWith("image/")) ?? files[0];
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
    reader.onerror = () => reject(new Error("The image could not be read."));
    reader.readAsDataURL(blob.type ? blob : new Blob([blob], { type: "image/png" }));
  });
}
