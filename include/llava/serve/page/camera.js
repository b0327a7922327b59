// SPDX-License-Identifier: Apache-2.0
// Takes a picture with the camera, in a dialog.

import {byId, say} from "./dom.js";
import {taken} from "./pictures.js";

/** Calls onPicture(data: URL) if the person takes one. */
export async function takePicture(onPicture) {
  const dialog = byId("camera-dialog"), view = byId("camera-view");
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({video: {facingMode: "environment"}});
  } catch {
    // Browsers give the camera only to pages on this machine or behind TLS.
    return say("There is no camera, or the browser does not let this page use it.");
  }
  view.srcObject = stream;
  byId("camera-take").onclick = () => {
    if (!view.videoWidth) return;  // it has not begun
    onPicture(taken(view));
    dialog.close();
  };
  byId("camera-close").onclick = () => dialog.close();
  dialog.onclose = () => {
    for (const track of stream.getTracks()) track.stop();
    view.srcObject = null;
  };
  dialog.showModal();
}
