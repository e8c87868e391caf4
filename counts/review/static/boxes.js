// One box that holds several animals, and several boxes on one: as verdicts of one act, so that one undo takes all back.

export function split(item, animals) {
  const [x0, y0, x1, y1] = item.box_px;
  const wide = x1 - x0 >= y1 - y0;
  const part = (wide ? x1 - x0 : y1 - y0) / animals;
  const boxes = Array.from({ length: animals }, (_, i) =>
    wide ? [x0 + i * part, y0, x0 + (i + 1) * part, y1] : [x0, y0 + i * part, x1, y0 + (i + 1) * part]);
  return [
    { action: "split", detection_id: item.detection_id },
    ...boxes.map((box) => ({ action: "add", capture_id: item.capture_id, label: item.label, box_px: box })),
  ];
}

export function merge(into, others) {
  return others.map((item) => ({ action: "merge", detection_id: item.detection_id, into: into.detection_id }));
}

export const SAID = {
  unseen: "", accept: "accepted", reject: "rejected", relabel: "relabelled", move: "moved", add: "drawn",
  split: "split", merge: "merged",
};

// Asks into how many a box is to be split.
export function askParts(then) {
  const dialog = document.getElementById("parts");
  const input = dialog.querySelector("input");
  input.value = "2";
  dialog.returnValue = "";
  dialog.showModal();
  input.select();
  dialog.addEventListener("close", () => {
    if (dialog.returnValue === "ok") then(Number(input.value));
  }, { once: true });
}
