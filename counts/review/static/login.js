import { say, send } from "/static/api.js";

document.getElementById("login").addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = new FormData(event.target);
  try {
    await send("/login", { name: form.get("name"), password: form.get("password") });
    window.location.assign("/");
  } catch (error) {
    say(error.message);
  }
});
