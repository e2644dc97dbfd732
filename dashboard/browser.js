// What Streamlit cannot do by itself in the browser. app.py puts it on every page; the first copy stays.
(() => {
  if (window.steelflow) return;
  window.steelflow = true;

  // Back goes back one step. Streamlit makes a step of each address that the server writes, also when a page completes
  // its own address after it was opened, and no step when a filter changes. Here an address is a step if a person
  // acted, and the rest replaces the address.
  let acted = false;
  for (const kind of ["pointerdown", "keydown"]) addEventListener(kind, () => { acted = true; }, true);
  addEventListener("popstate", () => { acted = false; }, true);
  const push = history.pushState.bind(history);
  const replace = history.replaceState.bind(history);
  const go = (state, title, url) => {
    const to = new URL(url, location.href);
    const moved = to.pathname !== location.pathname;
    (moved || (acted && to.search !== location.search) ? push : replace)(state, title, url);
    acted = false;
  };
  history.pushState = go;
  history.replaceState = go;

  // A link to one of our pages opens in this tab and keeps the session.
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[href]");
    if (!link || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey) return;
    const to = new URL(link.getAttribute("href"), location.href);
    if (to.origin !== location.origin || link.hasAttribute("download") || !link.closest('[data-testid="stMain"]')) return;
    event.preventDefault();
    push({}, "", to);
    dispatchEvent(new PopStateEvent("popstate"));
  });

  // Review: a key belongs to the picture on the screen. It counts once, and only when the picture is there.
  let struck = null;
  const step = () => {
    const keys = document.querySelector('[class*="st-key-step-"]');
    return keys && [...keys.classList].find((name) => name.startsWith("st-key-step-"));
  };
  const ready = () => {
    const pictures = [...document.querySelectorAll(".st-key-picture img")];
    const running = document.querySelector('[data-testid="stApp"]')?.dataset.testScriptState !== "notRunning";
    const stale = document.querySelector('.st-key-picture [data-stale="true"]');
    return !running && !stale && pictures.every((one) => one.complete);
  };
  const swallow = (event) => { event.preventDefault(); event.stopImmediatePropagation(); };
  addEventListener("keydown", (event) => {
    const now = step();
    const typing = event.target.closest?.("input, textarea, [contenteditable]");
    if (!now || typing || event.metaKey || event.ctrlKey || event.altKey) return;
    if (event.key.length !== 1) return;
    if (event.repeat || struck === now || !ready()) return swallow(event);
    struck = now;
  }, true);
  addEventListener("click", (event) => {
    const now = step();
    if (!now || !event.isTrusted || !event.target.closest?.('[class*="st-key-step-"] button')) return;
    if (struck === now) return swallow(event);
    struck = now;
  }, true);
})();
