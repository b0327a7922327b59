// SPDX-License-Identifier: Apache-2.0
// Pictures as data: URLs of PNG or JPEG files, and the modes of LLaVA's web server for pictures that are not square.

const longest = 1344, shortest = 672;  // pixels; larger pictures are made smaller, as there
const largestFile = 16 << 20;          // bytes of a file that is sent as it is
const padColour = "rgb(122, 116, 104)";

function dataUrl(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(blob);
  });
}

async function decoded(url) {
  const picture = new Image();
  picture.src = url;
  await picture.decode();
  return picture;
}

/** Draws a picture on a canvas of this size and returns it as a PNG. `place`: [x, y, width, height] in it. */
function drawn(picture, width, height, place = [0, 0, width, height], background = null) {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  if (background) {
    context.fillStyle = background;
    context.fillRect(0, 0, width, height);
  }
  context.drawImage(picture, ...place);
  return canvas.toDataURL("image/png");
}

/** The size to which a picture is made smaller, or its own. */
export function fitted(width, height) {
  const long = Math.max(width, height), short = Math.min(width, height);
  if (long <= longest) return [width, height];
  const ratio = long / short;
  const newShort = Math.max(1, Math.trunc(Math.min(longest / ratio, shortest, short)));
  const newLong = Math.min(longest, Math.trunc(newShort * ratio));
  return width >= height ? [newLong, newShort] : [newShort, newLong];
}

/** Reads a file that the person chose. A JPEG or PNG of a fitting size stays as it is. */
export async function read(file) {
  const url = URL.createObjectURL(file);
  try {
    const picture = await decoded(url);
    const {naturalWidth: width, naturalHeight: height} = picture;
    const size = fitted(width || 512, height || 512);  // a drawing without a size has none
    const isFitting = file.size <= largestFile && size[0] === width && size[1] === height;
    const isKept = isFitting && /^image\/(png|jpeg)$/.test(file.type);
    return isKept ? await dataUrl(file) : drawn(picture, ...size);
  } catch {
    throw new Error(`${file.name || "The picture"} is no picture that this browser can show.`);
  } finally {
    URL.revokeObjectURL(url);
  }
}

/** The picture of a video that plays. */
export function taken(video) {
  return drawn(video, ...fitted(video.videoWidth, video.videoHeight));
}

/** The picture as the model gets it. Pad: squared with LLaVA's grey; Resize: 336 x 336; others: as it is. */
export async function inMode(url, mode) {
  if (mode !== "Pad" && mode !== "Resize") return url;
  const picture = await decoded(url);
  const {naturalWidth: width, naturalHeight: height} = picture;
  if (mode === "Resize") return drawn(picture, 336, 336);
  if (width === height) return url;
  const side = Math.max(width, height);
  const place = [Math.trunc((side - width) / 2), Math.trunc((side - height) / 2), width, height];
  const [newSide] = fitted(side, side);
  const padded = drawn(picture, side, side, place, padColour);
  return newSide === side ? padded : drawn(await decoded(padded), newSide, newSide);
}

/** The picture files of a paste or a drop. */
export const filesOf = transfer => [...transfer.files].filter(file => file.type.startsWith("image/"));
