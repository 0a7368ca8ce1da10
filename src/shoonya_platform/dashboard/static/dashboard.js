// Keeps the parts of the page fresh: the server sends each as it renders it.
"use strict";

(() => {
  const SILENCE_MS = 25000;

  const connection = document.getElementById("connection");
  const parts = new Map();
  for (const part of document.querySelectorAll("[data-fragment]")) {
    parts.set(part.dataset.fragment, part);
  }

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

  let source = null;
  let timer;

  function heard() {
    clearTimeout(timer);
    timer = setTimeout(lose, SILENCE_MS);
    say("live", false);
  }

  function lose() {
    say("dashboard is not answering, retrying", true);
  }

  async function refused() {
    // A stream that is refused does not say why: a part of the page does.
    source.close();
    source = null;
    lose();
    try {
      const answer = await fetch(parts.keys().next().value, { cache: "no-store" });
      if (answer.status === 401) {
        location.reload();
        return;
      }
    } catch {
      // Not there at all: it will be.
    }
    setTimeout(open, 2000);
  }

  function open() {
    // Nobody looks: nothing is asked for.
    if (source !== null || document.hidden) {
      return;
    }
    const query = new URLSearchParams();
    for (const address of parts.keys()) {
      query.append("part", address);
    }
    source = new EventSource(`/live?${query}`);
    source.onopen = heard;
    source.addEventListener("quiet", heard);
    source.onmessage = (event) => {
      heard();
      const { part, html } = JSON.parse(event.data);
      replace(parts.get(part), html);
    };
    source.onerror = () => {
      lose();
      if (source.readyState === EventSource.CLOSED) {
        refused();
      }
    };
  }

  document.addEventListener("visibilitychange", () => {
    if (document.hidden) {
      source?.close();
      source = null;
      clearTimeout(timer);
    } else {
      open();
    }
  });

  if (parts.size) {
    say("live", false);
    open();
  }
})();
