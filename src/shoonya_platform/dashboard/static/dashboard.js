// Keeps the parts of the page fresh: each is fetched as the server renders it.
"use strict";

(() => {
  const EVERY_MS = 2000;
  const TIMEOUT_MS = 6000;

  const connection = document.getElementById("connection");
  const parts = [...document.querySelectorAll("[data-fragment]")];
  const shown = new Map();

  function say(text, lost) {
    document.body.classList.toggle("lost", lost);
    if (connection.textContent !== text) {
      connection.textContent = text;
    }
  }

  // What the keyboard was on is on it again after the part was replaced.
  function replace(part, html) {
    const focused = part.contains(document.activeElement)
      ? document.activeElement.getAttribute("href")
      : null;
    part.innerHTML = html;
    if (focused !== null) {
      part.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus();
    }
  }

  async function refresh(part) {
    const answer = await fetch(part.dataset.fragment, {
      cache: "no-store",
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    // A part that cannot be read says so itself, in its own words.
    if (!answer.ok && answer.status !== 503) {
      throw new Error(`status ${answer.status}`);
    }
    const html = await answer.text();
    // Untouched if nothing is new: a selection survives.
    if (shown.get(part) !== html) {
      shown.set(part, html);
      replace(part, html);
    }
  }

  async function refreshAll() {
    try {
      await Promise.all(parts.map(refresh));
      say("live", false);
    } catch {
      say("dashboard is not answering, retrying", true);
    }
  }

  let timer;

  async function tick() {
    clearTimeout(timer);
    await refreshAll();
    // Nobody looks: nothing is asked for.
    if (!document.hidden) {
      timer = setTimeout(tick, EVERY_MS);
    }
  }

  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) {
      tick();
    }
  });

  if (parts.length) {
    say("live", false);
    timer = setTimeout(tick, EVERY_MS);
  }
})();
