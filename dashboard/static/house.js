// Runs before the page is drawn: keeps the theme, switches language and theme, opens tables.
(() => {
  const year = "; path=/; max-age=31536000; samesite=lax";
  const cookie = (name) => document.cookie.match(new RegExp(`(?:^|; )${name}=([^;]*)`))?.[1];
  if (!cookie("digpt_theme")) {
    const dark = matchMedia("(prefers-color-scheme: dark)").matches;
    document.cookie = `digpt_theme=${dark ? "dark" : "light"}${year}`;
  }
  const dark = cookie("digpt_theme") === "dark";

  // Gradio chooses a theme and a language of its own; ours are put back whenever it does.
  const language = document.documentElement.lang;
  const hold = () => {
    if (document.documentElement.lang !== language) document.documentElement.lang = language;
    if (document.body.classList.contains("dark") !== dark) document.body.classList.toggle("dark", dark);
  };
  const start = () => {
    hold();
    const watch = new MutationObserver(hold);
    watch.observe(document.body, { attributes: true, attributeFilter: ["class"] });
    watch.observe(document.documentElement, { attributes: true, attributeFilter: ["lang"] });
  };
  if (document.body) start();
  else new MutationObserver((_, seen) => {
    if (document.body) { seen.disconnect(); start(); }
  }).observe(document.documentElement, { childList: true });

  const remember = (name, value) => { document.cookie = `${name}=${value}${year}`; location.reload(); };

  const keepPilot = (link) => {
    const pilots = new URLSearchParams(location.search).getAll("pilot");
    if (pilots.length) link.search = new URLSearchParams(pilots.map((p) => ["pilot", p])).toString();
  };

  const openTable = (button) => {
    const data = document.getElementById(button.dataset.table);
    if (!data) return;
    data.hidden = !data.hidden;
    button.setAttribute("aria-expanded", String(!data.hidden));
  };

  // A card that repeats a real control: clicking it clicks the control's input.
  const pick = (card) => {
    const inputs = document.querySelectorAll(`#${card.dataset.pick} input`);
    [...inputs].find((input) => input.value === card.dataset.value || input.name === card.dataset.value)?.click();
  };

  // What a figure shows, for those who do not see it: its card's sentence becomes its label.
  const describe = () => {
    for (const words of document.querySelectorAll("[data-figure]")) {
      const figure = document.getElementById(words.dataset.figure);
      if (!figure || figure.getAttribute("aria-label") === words.textContent) continue;
      figure.setAttribute("role", "img");
      figure.setAttribute("aria-label", words.textContent);
    }
  };
  // What is wrong with a business case is said at its field.
  const markWrong = () => {
    const said = document.querySelector("[data-wrong]");
    for (const field of document.querySelectorAll("[data-field]")) {
      const words = field.dataset.field === said?.dataset.wrong ? said.textContent : "";
      const place = field.querySelector(".d-problem");
      if (!place || place.textContent === words) continue;
      place.textContent = words;
      field.classList.toggle("d-wrong", Boolean(words));
      for (const box of field.querySelectorAll("input")) box.setAttribute("aria-invalid", String(Boolean(words)));
    }
  };
  let asked = false;
  const soon = () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => { asked = false; describe(); markWrong(); settle(); });
  };
  new MutationObserver(soon).observe(document, { childList: true, subtree: true });

  // A business case: what is entered goes as one text into a hidden field, which the server reads.
  const entered = (field) => {
    const boxes = [...field.querySelectorAll("input[data-end]")];
    const numbers = boxes.map((box) => (box.value === "" ? null : Number(box.value)));
    return numbers.length > 1 ? numbers : numbers[0];
  };
  const caseText = () => {
    const values = {};
    for (const field of document.querySelectorAll(".d-case [data-field]")) {
      if (field.querySelector("input[data-end]")) values[field.dataset.field] = entered(field);
    }
    const stage = document.querySelector("[data-stage]");
    if (stage) values.stage = stage.value;
    const good = [...document.querySelectorAll("input[data-good]")];
    if (good.length) values.good_classes = good.filter((box) => box.checked).map((box) => box.name);
    return JSON.stringify(values);
  };
  const sendCase = () => {
    clearTimeout(resting);
    const hidden = document.querySelector("#roi-values textarea, #roi-values input");
    if (!hidden) return;
    const text = caseText();
    if (hidden.value === text) return;
    hidden.value = text;
    sayUpdating(true);
    hidden.dispatchEvent(new Event("input", { bubbles: true }));
  };
  // What follows later than the figures is said to be on its way, until the server's mark changes.
  let mark;
  const answered = () => document.querySelector("[data-answered]")?.dataset.answered;
  const sayUpdating = (on) => {
    const place = document.getElementById("roi-updating");
    if (!place) return;
    if (on) mark = answered();
    place.textContent = on ? place.dataset.words : "";
  };
  const settle = () => {
    if (mark !== undefined && answered() !== mark) { mark = undefined; sayUpdating(false); }
  };
  // The figures come at once, by an address of their own; the whole page follows at rest.
  let asking = false, again = false;
  const showFigures = async () => {
    if (asking) { again = true; return; }
    const { case: base, pilot } = document.querySelector("[data-case]").dataset;
    asking = true;
    try {
      const body = JSON.stringify({ pilot, case: base, values: caseText() });
      const headers = { "content-type": "application/json" };
      const answer = await fetch("/roi/figures", { method: "POST", headers, body });
      if (answer.status === 200) put(await answer.text());
    } finally {
      asking = false;
      if (again) { again = false; showFigures(); }
    }
  };
  const put = (html) => {
    const fresh = document.createElement("template");
    fresh.innerHTML = html;
    for (const part of fresh.content.querySelectorAll("[id]")) {
      document.getElementById(part.id)?.replaceChildren(...part.childNodes);
    }
  };
  // A slider scales what stood in its field's boxes, from a fifth to five times as much.
  const slide = (slider) => {
    const boxes = [...slider.closest("[data-field]").querySelectorAll("input[data-end]")];
    const from = boxes.map((box) => (box.dataset.from ??= box.value));
    const largest = Math.max(...from.map(Number));
    const most = slider.dataset.most ? Number(slider.dataset.most) / largest : Infinity;
    const factor = Math.min(5 ** (slider.value / 100), Math.max(most, 1));
    boxes.forEach((box, n) => {
      const still = from[n] === "" || Number(slider.value) === 0;
      box.value = still ? from[n] : Number((from[n] * factor).toPrecision(3));
    });
    slider.setAttribute("aria-valuetext", boxes.find((box) => box.dataset.end === "likely").value);
  };
  const recentre = (field) => {
    for (const box of field.querySelectorAll("input[data-end]")) delete box.dataset.from;
    const slider = field.querySelector("[data-slide]");
    if (slider) slider.value = 0;
  };
  const SETTLE = 40; // milliseconds without another key
  const PACE = 60; // milliseconds between two positions of a slider
  const REST = 300; // milliseconds without another change, after which the whole page follows
  let settled, resting, shownAt = 0;
  const figuresIn = (wait) => {
    clearTimeout(settled);
    settled = setTimeout(() => { shownAt = performance.now(); showFigures(); }, wait);
    clearTimeout(resting);
    resting = setTimeout(sendCase, REST);
  };
  document.addEventListener("input", (event) => {
    if (!event.target.closest?.(".d-case")) return;
    if (event.target.matches("[data-slide]")) {
      slide(event.target);
      figuresIn(Math.max(shownAt + PACE - performance.now(), 0));
      return;
    }
    if (event.target.matches("[data-end]")) recentre(event.target.closest("[data-field]"));
    figuresIn(SETTLE);
  });
  document.addEventListener("change", (event) => {
    if (event.target.closest?.(".d-case") && !event.target.matches("[data-slide]")) sendCase();
  });
  document.addEventListener("focusout", (event) => {
    if (event.target.matches?.(".d-case [data-slide]")) sendCase();
  });

  document.addEventListener("click", (event) => {
    const at = (selector) => event.target.closest?.(selector);
    const theme = at("[data-theme-to]"), chosen = at("[data-language-to]");
    if (theme) return remember("digpt_theme", theme.dataset.themeTo);
    if (chosen) return remember("digpt_lang", chosen.dataset.languageTo);
    if (at("a[data-keep-pilot]")) return keepPilot(at("a[data-keep-pilot]"));
    if (at("[data-table]")) return openTable(at("[data-table]"));
    if (at("[data-pick]") && !at("a, button, input")) return pick(at("[data-pick]"));
  });
})();
