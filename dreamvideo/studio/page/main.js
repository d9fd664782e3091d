// The page: what stands where, and what happens when something changes.

import { html, nothing, render } from "./vendor/lit-html/lit-html.js";
import * as gallery from "./gallery.js";
import { lookStrip, dreamLooks, takeLayers, takeCell } from "./looks.js";
import { parameterPanel } from "./parameters.js";
import { close, renderDialog, recipeDialog, openRender, takeEstimate } from "./render_dialog.js";
import * as renders from "./renders.js";
import { listen, openedAnew, get, post } from "./server.js";
import { droppedFiles, dropZone, openFiles, openSource, remember, restore } from "./source.js";
import { stage, dreamStill, takeStill, takeStretch } from "./stage.js";
import { afterEdit, attempt, check, onDraw, say, state, stepBack, update } from "./store.js";
import { drawTimeline, timelineView } from "./timeline.js";

const root = document.getElementById("studio");

const tabs = [
  ["dream", "Dream"],
  ["renders", "Renders"],
  ["gallery", "Gallery"],
];

function page() {
  const waiting = state.renders.filter((one) => one.state !== "done").length;
  return html`
    <header ?inert=${Boolean(state.dialog)}>
      <a class="brand" href="#main" @click=${(event) => event.preventDefault()}>
        <img src="/page/icon.svg" alt="" width="26" height="26" /><span>dreamvideo</span>
      </a>
      <nav aria-label="Views" role="tablist">
        ${tabs.map(
          ([name, label]) => html`
            <button
              role="tab"
              data-view=${name}
              aria-selected=${state.view === name}
              @click=${() => show(name)}
            >
              ${label}${name === "renders" && waiting ? html` <span class="count">${waiting}</span>` : nothing}
            </button>
          `,
        )}
      </nav>
      ${state.source && state.view === "dream" ? tools() : nothing}
    </header>
    ${state.lost
      ? html`<p class="banner lost" role="alert">
          The studio does not answer: is it still running? It is being looked for, and your work here stays.
        </p>`
      : nothing}
    ${state.message
      ? html`<p class="banner" role="alert" data-message>
          <span>${state.message}</span>
          <button class="quiet" aria-label="Put this message away" @click=${() => say("")}>✕</button>
        </p>`
      : nothing}
    ${state.uploading
      ? html`<p class="banner" role="status">
          Taking ${state.uploading.name} … ${Math.round(state.uploading.done * 100)} %
        </p>`
      : nothing}
    <main id="main" ?inert=${Boolean(state.dialog)}>
      ${state.view === "dream" ? dreamView() : state.view === "renders" ? renders.view() : gallery.view()}
    </main>
    ${state.dialog === "render" ? renderDialog() : state.dialog === "recipe" ? recipeDialog() : nothing}
  `;
}

function stepButton(label, sign, keys, from, to) {
  return html`<button
    class="icon"
    title="${label} (${keys})"
    aria-label=${label}
    ?data-undo=${from === "undo"}
    ?data-redo=${from === "redo"}
    ?disabled=${!state[from].length}
    @click=${() => stepBack(from, to)}
  >
    ${sign}
  </button>`;
}

function tools() {
  return html`
    <div class="tools">
      ${stepButton("Undo", "↶", "Ctrl+Z", "undo", "redo")} ${stepButton("Redo", "↷", "Ctrl+Shift+Z", "redo", "undo")}
      <button @click=${() => update({ dialog: "recipe" })} data-recipe>Recipe</button>
      <button class="primary" data-render @click=${openRender} ?disabled=${Boolean(state.checked.error)}>
        Render…
      </button>
    </div>
  `;
}

function dreamView() {
  if (!state.source) return dropZone();
  return html`
    <div class="dream">
      <div class="work">${stage()} ${timelineView()} ${lookStrip()}</div>
      ${parameterPanel()}
    </div>
  `;
}

function show(view) {
  update({ view });
  if (view === "gallery") gallery.load();
}

let dialogShown = "";
onDraw(() => {
  render(page(), root);
  if (state.dialog && state.dialog !== dialogShown) document.querySelector(".dialog").focus();
  dialogShown = state.dialog;
  drawTimeline();
  remember();
});

let checking = 0;
afterEdit(() => {
  clearTimeout(checking);
  checking = setTimeout(check, 120);
  if (state.dialog) update({ stale: true });
  else dreamStill();
});

function take(message) {
  const kinds = {
    still: takeStill,
    stretch: takeStretch,
    cell: takeCell,
    layers: takeLayers,
    estimate: takeEstimate,
    watch: renders.takeWatch,
    renders: (told) => {
      const before = state.renders.filter((one) => one.state === "done").length;
      update({ renders: told.renders });
      if (state.view === "gallery" && told.renders.filter((one) => one.state === "done").length !== before)
        gallery.load();
    },
    analysis: (told) => {
      if (told.source === state.source?.id) update({ analysis: { ...state.analysis, ...told } });
      if (told.beats) {
        check();
        dreamLooks();
      }
    },
    closing: () => update({ lost: true }),
  };
  kinds[message.type]?.(message);
}

async function found() {
  const wasLost = state.lost;
  update({ lost: false });
  if (wasLost && state.source) {
    const again = await attempt(() => post("open", { id: state.source.id }));
    if (again) {
      check();
      dreamStill();
      dreamLooks();
    }
  }
}

document.addEventListener("keydown", (event) => {
  const writes = event.target.matches?.("input:not([type=range]):not([type=checkbox]), textarea");
  if (event.key === "Escape" && state.dialog) close();
  else if (event.key === "Escape") update(state.painting ? { painting: false } : { curve: "" });
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z" && !writes) {
    event.preventDefault();
    event.shiftKey ? stepBack("redo", "undo") : stepBack("undo", "redo");
  }
});
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  document.body.classList.add("dragging");
});
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) document.body.classList.remove("dragging");
});
document.addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("dragging");
  attempt(async () => openFiles(await droppedFiles(event.dataTransfer)));
});
addEventListener("resize", () => drawTimeline());

async function begin() {
  try {
    update({ boot: await get("state") });
  } catch (error) {
    document.getElementById("studio").replaceChildren(Object.assign(document.createElement("p"), {
      className: "starting",
      textContent: `${error.message}.`,
    }));
    if (error.status !== 403) setTimeout(begin, 1500);
    return;
  }
  root.replaceChildren();
  listen(take, () => update({ lost: true }), found);
  const kept = restore();
  if (openedAnew && state.boot.first && kept?.source !== state.boot.first) await openSource(state.boot.first);
  else if (kept?.source) {
    update({ recipe: kept.recipe, preset: kept.preset });
    await openSource(kept.source, kept.frame, true);
  }
}

begin();
