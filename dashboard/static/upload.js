// Sends a chosen file in pieces, waits out a lost connection, and goes on where the server stands.
// The upload's key goes into a hidden field of Gradio's; /uploads is told of in jobs/uploads.py.
(() => {
  const PIECE = 2 * 2 ** 20; // bytes of one request
  const LONGEST_WAIT = 20_000, LONGEST_PIECE = 60_000; // milliseconds
  const KEPT = "digpt_uploads"; // name, size and date of a file -> its key, to go on after a reload
  const running = new Map(); // the box's id -> what stops its upload

  const kept = () => JSON.parse(localStorage.getItem(KEPT) ?? "{}");
  const keep = (file, key) => {
    const all = kept();
    if (key) all[sign(file)] = key; else delete all[sign(file)];
    localStorage.setItem(KEPT, JSON.stringify(all));
  };
  const sign = (file) => [file.name, file.size, file.lastModified].join("|");

  const parts = (box) => ({
    input: box.querySelector("input[type=file]"),
    bar: box.querySelector("progress"),
    said: box.querySelector("[role=status]"),
    cancel: box.querySelector("[data-upload-cancel]"),
  });
  const say = (box, word, values = {}, wrong = false) => {
    const { said } = parts(box);
    let words = box.dataset[word] ?? word;
    for (const [name, value] of Object.entries(values)) words = words.replaceAll(`{${name}}`, value);
    said.textContent = words;
    box.dataset.state = word in box.dataset ? word : "refused";
    box.classList.toggle("d-wrong", wrong);
  };
  const tellPage = (box, key) => {
    const hidden = document.querySelector(`#${box.dataset.upload} :is(textarea, input)`);
    if (!hidden || hidden.value === key) return;
    hidden.value = key;
    hidden.dispatchEvent(new Event("input", { bubbles: true }));
  };

  class Refused extends Error {}
  const ask = async (method, path, stop, more = {}) => {
    const signal = AbortSignal.any([stop, AbortSignal.timeout(LONGEST_PIECE)]);
    const answer = await fetch(path, { method, signal, ...more });
    if (answer.status >= 500 || answer.status === 429) throw new TypeError(answer.statusText);
    const facts = await answer.json().catch(() => ({}));
    if (answer.ok || answer.status === 409) return facts;
    const refused = new Refused(facts.error?.message ?? answer.statusText);
    refused.code = facts.error?.code;
    throw refused;
  };
  const begin = async (file, stop) => {
    const body = JSON.stringify({ name: file.name, size: file.size });
    const made = await ask("POST", "/uploads", stop, { body, headers: { "content-type": "application/json" } });
    keep(file, made.key);
    return made;
  };
  const stand = async (file, stop) => {
    const key = kept()[sign(file)];
    if (!key) return begin(file, stop);
    try {
      return await ask("GET", `/uploads/${key}`, stop);
    } catch (error) {
      if (error.code !== "upload-gone") throw error;
      return begin(file, stop);
    }
  };
  const waited = (milliseconds, stop) => new Promise((done) => {
    const timer = setTimeout(done, milliseconds);
    addEventListener("online", () => { clearTimeout(timer); done(); }, { once: true });
    stop.addEventListener("abort", () => { clearTimeout(timer); done(); }, { once: true });
  });

  const shown = (box, file, received) => {
    const { bar } = parts(box);
    bar.value = received / file.size;
    const mib = (bytes) => (bytes / 2 ** 20).toLocaleString(document.documentElement.lang, { maximumFractionDigits: 1 });
    say(box, received === file.size ? "done" : "sending", { name: file.name, done: mib(received), total: mib(file.size) });
  };

  const send = async (box, file) => {
    running.get(box.id)?.abort();
    const control = new AbortController(), stop = control.signal;
    running.set(box.id, control);
    const { bar, cancel } = parts(box);
    bar.hidden = cancel.hidden = false;
    tellPage(box, "");
    let at = null, tries = 0; // null: ask the server where it stands
    while (!stop.aborted) {
      try {
        if (at === null) {
          const found = await stand(file, stop);
          at = found.received;
          box.dataset.key = found.key;
        }
        shown(box, file, at);
        if (at === file.size) break;
        const body = file.slice(at, at + PIECE);
        const headers = { "upload-offset": String(at) };
        const found = await ask("PATCH", `/uploads/${box.dataset.key}`, stop, { body, headers });
        if (found.received === at) await waited(300, stop); // another tab is at it
        at = found.received;
        tries = 0;
      } catch (error) {
        if (stop.aborted) return;
        at = null;
        if (error instanceof Refused && error.code !== "upload-gone") {
          keep(file, null);
          bar.hidden = true;
          return say(box, error.message, {}, true);
        }
        say(box, "lost", { name: file.name });
        await waited(Math.min(500 * 2 ** tries++, LONGEST_WAIT), stop);
      }
    }
    if (!stop.aborted) tellPage(box, box.dataset.key);
  };

  const drop = async (box) => {
    running.get(box.id)?.abort();
    running.delete(box.id);
    const { input, bar, cancel } = parts(box);
    const key = box.dataset.key ?? kept()[input.files[0] && sign(input.files[0])];
    if (input.files[0]) keep(input.files[0], null);
    if (key) fetch(`/uploads/${key}`, { method: "DELETE", keepalive: true }).catch(() => {});
    delete box.dataset.key;
    input.value = "";
    bar.hidden = cancel.hidden = true;
    tellPage(box, "");
    say(box, "cancelled");
  };

  document.addEventListener("change", (event) => {
    const box = event.target.closest?.("[data-upload]");
    if (box && event.target.files?.[0]) send(box, event.target.files[0]);
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-upload-cancel]");
    if (button) drop(button.closest("[data-upload]"));
  });
  for (const name of ["dragover", "drop"]) {
    document.addEventListener(name, (event) => {
      const box = event.target.closest?.("[data-upload]");
      if (!box) return;
      event.preventDefault();
      const file = name === "drop" && event.dataTransfer?.files[0];
      if (file) { parts(box).input.files = event.dataTransfer.files; send(box, file); }
    });
  }
})();
