// Logging out: several people share a camp's laptop.

import { say, send } from "/static/api.js";

document.getElementById("log-out").addEventListener("click", async () => {
  try {
    await send("/logout", {});
    window.location.assign("/login");
  } catch (error) {
    say(error.message);
  }
});
