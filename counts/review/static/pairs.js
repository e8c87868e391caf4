// Same animal? Two detections side by side in pixels and on the ground; the answers, and the count that follows.

import { Queue, read, say, showUnsent } from "/static/api.js";
import { showRecount } from "/static/counting.js";
import { Keys } from "/static/keys.js";
import { RelativeMap } from "/static/relative_map.js";

const desk = document.querySelector("[data-role]");
const mayAnswer = desk.dataset.role !== "viewer";
let pair = null;
let progress = { total: 0, decided: 0, answers: {} };
let ground = null;
let asking = 0;

const queue = new Queue(
  (waiting, trouble, act, answer) => {
    showUnsent(waiting, trouble);
    if (answer?.progress) { progress = answer.progress; drawProgress(); }
    if (act?.path === "/pairs/undo") {
      if (answer.pair_id) show(answer.pair_id);
      else say(answer.detection_ids ? "An answer to an earlier counting is taken back" : "There is nothing left to take back");
    }
  },
  (act, error) => { say(`Refused: ${error.message}`); refresh(); },
);

const actions = {
  same: () => answer("same"),
  different: () => answer("different"),
  unsure: () => answer("unsure"),
  next: () => later(),
  undo: () => { queue.push("/pairs/undo", {}); say("The last answer is taken back"); },
};
new Keys(mayAnswer ? actions : { next: actions.next }).onPage();

async function answer(what) {
  if (!pair || !mayAnswer) return;
  const { pair_id } = pair;
  queue.push("/pairs/answers", { pair_id, answer: what });
  say({ same: "One animal", different: "Two animals", unsure: "Left open" }[what]);
  pair = null;
  document.getElementById("pair").setAttribute("aria-busy", "true");
  await queue.idle();
  await next(pair_id);
}

async function later() {
  if (pair) await next(pair.pair_id);
}

function next(after) {
  return ask("/pairs/next", { after });
}

function show(key) {
  return ask(`/pairs/${key}`);
}

// What was asked for last is shown, whichever answer comes last.
async function ask(path, params) {
  asking += 1;
  const mine = asking;
  const found = await read(path, params);
  if (mine === asking) draw(found);
}

async function refresh() {
  progress = await read("/pairs/progress");
  drawProgress();
  await next(0);
}

function drawProgress() {
  const { total, decided, answers } = progress;
  const said = Object.entries({ same: "the same", different: "different", unsure: "open" })
    .filter(([name]) => answers[name]).map(([name, title]) => `${answers[name]} ${title}`).join(", ");
  document.getElementById("progress").textContent = total ? `${decided} of ${total} answered${said ? `: ${said}` : ""}` : "";
}

function draw(found) {
  pair = found;
  document.getElementById("pair").removeAttribute("aria-busy");
  document.getElementById("pair").hidden = pair === null;
  const empty = document.getElementById("empty");
  empty.hidden = pair !== null;
  if (pair === null) {
    empty.textContent = progress.total
      ? "Every pair is answered. Count again, and the estimates follow."
      : "The newest counting could tell all animals apart: there are no pairs to answer.";
    return;
  }
  for (const [name, side] of [["first", pair.first], ["second", pair.second]]) {
    const picture = document.getElementById(`${name}-crop`);
    picture.src = `/api/v1/detections/${side.detection_id}/crop.jpg?size=384`;
    picture.alt = `${name === "first" ? "First" : "Second"}: ${side.label}`;
    const text = document.getElementById(name);
    const link = document.createElement("a");
    link.href = `/frames/${side.capture_id}?detection=${side.detection_id}`;
    link.textContent = side.picture;
    text.replaceChildren(`${name === "first" ? "First" : "Second"}: ${side.label} ${side.score.toFixed(2)} · `, link);
  }
  const facts = [
    ["Apart", pair.distance_m === null ? "not known" : `${pair.distance_m.toFixed(1)} m`],
    ["Between the pictures", pair.seconds_between === null ? "not known" : `${pair.seconds_between.toFixed(0)} s`],
    ["Probability of one animal", pair.probability === null ? "the method gives none" : `${Math.round(pair.probability * 100)} %`],
    ["The count took them as", pair.together ? "one animal" : "two animals"],
    ["Why it asks", pair.reason || "it could not tell"],
    ["Answer so far", { same: "the same animal", different: "two animals", unsure: "cannot say" }[pair.answer] || "none"],
  ];
  document.getElementById("facts").replaceChildren(...facts.flatMap(([name, value]) => {
    const term = document.createElement("dt");
    term.textContent = name;
    const what = document.createElement("dd");
    what.textContent = value;
    return [term, what];
  }));
  const place = document.getElementById("where");
  place.setAttribute("aria-label", `The two were seen ${facts[0][1]} apart, ${facts[1][1]} between`);
  ground ??= new RelativeMap(place);
  ground.show(pair);
}

document.querySelectorAll("[data-act]").forEach((button) => {
  if (!mayAnswer && button.dataset.act !== "next") button.disabled = true;
  button.addEventListener("click", () => actions[button.dataset.act]());
});
showRecount(refresh);
await refresh();
