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
  let last = null; // the step that the last action made, as it was completed since
  const go = (state, title, url) => {
    const to = new URL(url, location.href);
    const moved = to.pathname !== location.pathname;
    // To switch pages Streamlit first gives the page that is left the address of the next one: half a step.
    const half = moved && !acted && last === location.href && to.search === location.search;
    const step = !half && (moved || (acted && to.search !== location.search));
    const own = step || last === location.href;
    (step ? push : replace)(state, title, url);
    last = own ? location.href : last;
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

  // Review: a key belongs to the picture on the screen. It counts once, and only when the picture is there. The page
  // shows the name of its step after everything else. The server refuses keys of an earlier step, too.
  const PATIENCE = 3000; // milliseconds
  let struck = null;
  const now = () => {
    const found = document.querySelector('[class*="st-key-step-"]');
    return found && [...found.classList].find((name) => name.startsWith("st-key-step-"));
  };
  const isStruck = (step) => struck && struck.step === step && performance.now() - struck.at < PATIENCE;
  const strike = (step) => { struck = { step, at: performance.now() }; };
  const isThere = () => [...document.querySelectorAll(".st-key-picture img")].every((one) => one.complete);
  const isKey = (key) => [...document.querySelectorAll(".st-key-keys button:enabled kbd")]
    .some((one) => one.getAttribute("aria-label") === `Shortcut ${key.toUpperCase()}`);
  const swallow = (event) => { event.preventDefault(); event.stopImmediatePropagation(); };
  addEventListener("keydown", (event) => {
    const step = now();
    const typing = event.target.closest?.("input, textarea, [contenteditable]");
    if (!step || typing || event.metaKey || event.ctrlKey || event.altKey || !isKey(event.key)) return;
    if (event.repeat || isStruck(step) || !isThere()) return swallow(event);
    strike(step);
  }, true);
  addEventListener("click", (event) => {
    const step = now();
    if (!step || !event.isTrusted || !event.target.closest?.(".st-key-keys button:enabled")) return;
    if (isStruck(step)) return swallow(event);
    strike(step);
  }, true);
})();
