// The box "find": it asks the server while somebody types, shows the hits, and opens one. An answer counts only for the
// question with its number, so a slow answer never replaces a later one, and Enter waits for the answer to what is typed.
const PAUSE = 120; // milliseconds after the last key, before the server is asked

export default function (component) {
  const box = component.parentElement.querySelector(".find");
  if (!box) return undefined;
  box.steelflow ??= made(box);
  box.steelflow.ask = (question) => component.setTriggerValue("asked", question);
  box.steelflow.answer(component.data || {});
  return undefined;
}

function made(box) {
  const [input, panel] = [box.querySelector("input"), box.querySelector(".find-found")];
  const [told, list] = [box.querySelector(".find-told"), box.querySelector("ul")];
  const self = { ask: null, number: 0, answered: 0, chosen: 0, opens: false, timer: null };
  const links = () => [...list.querySelectorAll("a")];
  const show = (open) => {
    panel.hidden = !open;
    input.setAttribute("aria-expanded", String(open));
  };
  const choose = (to) => {
    const all = links();
    self.chosen = Math.min(Math.max(to, 0), all.length - 1);
    all.forEach((link, place) => {
      link.setAttribute("aria-selected", String(place === self.chosen));
      if (place === self.chosen) {
        input.setAttribute("aria-activedescendant", link.id);
        link.scrollIntoView({ block: "nearest" });
      }
    });
  };
  const question = () => {
    clearTimeout(self.timer);
    self.timer = null;
    self.number += 1;
    self.ask({ number: self.number, text: input.value });
  };
  const soon = () => {
    clearTimeout(self.timer);
    self.timer = setTimeout(question, PAUSE);
    self.opens = false;
  };
  const open = () => {
    const link = links()[self.chosen];
    self.opens = false;
    if (link) link.click();
  };
  const enter = () => {
    if (self.timer !== null) question(); // what was typed last is not asked yet
    if (self.answered === self.number) return open();
    self.opens = true;
    return undefined;
  };
  const item = (hit, place) => {
    const [row, link] = [document.createElement("li"), document.createElement("a")];
    row.setAttribute("role", "presentation");
    link.id = `find-hit-${place}`;
    link.setAttribute("role", "option");
    link.setAttribute("href", hit.href);
    link.tabIndex = -1;
    for (const part of ["kind", "name", "about"]) {
      const text = document.createElement("span");
      text.className = part;
      text.textContent = hit[part];
      link.append(text);
    }
    row.append(link);
    return row;
  };
  self.answer = (data) => {
    if (data.number !== self.number || self.answered === self.number) return;
    self.answered = self.number;
    told.textContent = data.told || "";
    list.replaceChildren(...data.hits.map(item));
    choose(0);
    if (document.activeElement === input) show(true);
    if (self.opens) open();
  };
  const leave = () => {
    clearTimeout(self.timer);
    self.timer = null;
    input.value = "";
    show(false);
    input.blur();
  };

  input.addEventListener("focus", () => { question(); });
  input.addEventListener("input", soon);
  input.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    if (event.key === "ArrowDown") choose(self.chosen + 1);
    else if (event.key === "ArrowUp") choose(self.chosen - 1);
    else if (event.key === "Enter") enter();
    else if (event.key === "Escape") leave();
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  box.addEventListener("mousedown", (event) => { if (event.target !== input) event.preventDefault(); }); // keeps the focus
  list.addEventListener("click", (event) => { if (!(event.metaKey || event.ctrlKey || event.shiftKey)) setTimeout(leave); });
  input.addEventListener("blur", () => show(false));

  const shortcut = (event) => {
    if (!box.isConnected) return removeEventListener("keydown", shortcut, true);
    const typing = event.target.closest?.("input, textarea, select, [contenteditable]");
    const slash = event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey;
    const control = event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey) && !event.altKey;
    if (!slash && !control) return undefined;
    event.preventDefault();
    event.stopImmediatePropagation();
    input.focus();
    input.select();
    return undefined;
  };
  addEventListener("keydown", shortcut, true);
  return self;
}
