// Single keys for actions, shown and remappable; kept in this browser.

const KEPT = "overfly.keys";
export const FIRST = {
  accept: "a", reject: "r", relabel: "l", undo: "z", next: "n", frame: "f", select: "x", all: "s",
  bulk: "b", split: "p", merge: "m", draw: "d", redraw: "v",
  same: "s", different: "d", unsure: "u", done: "n", back: "b", mark: "m",
};
const TITLES = {
  accept: "accept", reject: "reject", relabel: "relabel", undo: "undo", next: "next not judged", frame: "whole frame",
  select: "select or not", all: "select all shown", bulk: "all like this…", split: "split the box", merge: "merge the selected",
  draw: "draw a missed animal", redraw: "draw its box anew",
  same: "the same animal", different: "two animals", unsure: "cannot say", done: "done, next frame", back: "the frame before", mark: "mark in the middle",
};

export class Keys {
  constructor(actions) {
    this.actions = actions;
    this.map = { ...FIRST, ...JSON.parse(localStorage.getItem(KEPT) || "{}") };
    document.addEventListener("keydown", (event) => this.#pressed(event));
  }

  // Shows the keys in the page's list, and lets people change them in its dialog.
  onPage() {
    const list = document.getElementById("keys");
    const dialog = document.getElementById("mapping");
    this.show(list);
    document.getElementById("remap").addEventListener("click", () =>
      this.edit(dialog, document.getElementById("mapping-rows"), () => this.show(list)));
    document.getElementById("keys-reset").addEventListener("click", () => {
      this.reset();
      this.show(list);
      dialog.close();
    });
  }

  show(list) {
    list.replaceChildren();
    for (const [name, title] of Object.entries(TITLES)) {
      if (!(name in this.actions)) continue;
      const key = document.createElement("dt");
      key.textContent = this.map[name];
      const what = document.createElement("dd");
      what.textContent = title;
      const both = document.createElement("div");
      both.append(key, what);
      list.append(both);
    }
  }

  edit(dialog, rows, after) {
    rows.replaceChildren();
    for (const [name, title] of Object.entries(TITLES)) {
      if (!(name in this.actions)) continue;
      const label = document.createElement("label");
      const box = document.createElement("input");
      box.value = this.map[name];
      box.size = 3;
      box.maxLength = 1;
      box.addEventListener("keydown", (event) => {
        if (event.key.length !== 1) return;
        event.preventDefault();
        box.value = event.key.toLowerCase();
        const clash = Object.keys(this.map).find((other) => other !== name && other in this.actions && this.map[other] === box.value);
        box.setCustomValidity(clash ? `already ${TITLES[clash]}` : "");
        box.reportValidity();
        if (!clash) this.map[name] = box.value;
        localStorage.setItem(KEPT, JSON.stringify(this.map));
        after();
      });
      label.append(box, ` ${title}`);
      rows.append(label);
    }
    dialog.showModal();
  }

  reset() {
    this.map = { ...FIRST };
    localStorage.removeItem(KEPT);
  }

  #pressed(event) {
    const typing = event.target.closest("input:not([type=range]):not([type=radio]), textarea, select, dialog");
    if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
    const name = Object.keys(this.map).find((key) => key in this.actions && this.map[key] === event.key.toLowerCase());
    if (name === undefined) return;
    event.preventDefault();
    this.actions[name](event);
  }
}
