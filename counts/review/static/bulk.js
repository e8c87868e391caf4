// Judging all that a filter chooses, after it was said how many that is; one undo takes all of it back.

import { say, send } from "/static/api.js";

const dialog = document.getElementById("bulk");
const form = dialog.querySelector("form");
const title = dialog.querySelector("h2");
const confirm = dialog.querySelector("[value=ok]");
const VERBS = { accept: "Accept", reject: "Reject", relabel: "Relabel" };
let found = 0;
let current = null;

function redraw() {
  const action = form.elements.action.value;
  form.elements.label.disabled = action !== "relabel";
  form.elements.label.required = action === "relabel";
  confirm.textContent = `${VERBS[action]} ${found}`;
}

form.addEventListener("change", redraw);
dialog.addEventListener("close", () => {
  const then = current;
  current = null;
  if (dialog.returnValue !== "ok" || !then) return;
  const action = form.elements.action.value;
  then.act({ chosen: then.chosen, action, expected: found, ...(action === "relabel" ? { label: form.elements.label.value.trim() } : {}) });
});

// `where` says in words what is chosen, and `act` is called with the body of the act once it is confirmed.
export async function askBulk(queue, chosen, where, act) {
  await queue.idle();
  const answer = await send("/verdicts/bulk/count", chosen);
  found = answer.detections;
  if (!found) { say(`None not judged: ${where}`); return; }
  if (found > answer.most) { say(`${found} are more than ${answer.most} at once: raise the score`); return; }
  title.textContent = `${found} not judged: ${where}`;
  form.reset();
  redraw();
  current = { chosen, act };
  dialog.returnValue = "";
  dialog.showModal();
  confirm.focus();
}
