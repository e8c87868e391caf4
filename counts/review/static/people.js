import { read, say, send } from "/static/api.js";

async function load() {
  const rows = (await read("/people")).map((person) => {
    const row = document.createElement("tr");
    for (const text of [person.name, person.role]) {
      const cell = document.createElement("td");
      cell.textContent = text;
      row.append(cell);
    }
    return row;
  });
  document.getElementById("people").replaceChildren(...rows);
  document.getElementById("nobody").hidden = rows.length > 0;
}

document.getElementById("person").addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = new FormData(event.target);
  const person = { name: form.get("name"), role: form.get("role") };
  if (form.get("password")) person.password = form.get("password");
  try {
    await send("/people", person);
    event.target.reset();
    say(`${person.name} is ${person.role === "none" ? "shut out" : `a ${person.role}`} now`);
    await load();
  } catch (error) {
    say(error.message);
  }
});

await load();
