// The dialogs: what to render, what it will take, and the command that does the same; and the recipe as text.

import { html, nothing } from "./vendor/lit-html/lit-html.js";
import { choose } from "./source.js";
import { post } from "./server.js";
import { dreamStill } from "./stage.js";
import { attempt, check, copy, currentFormat, isFilm, setValue, state, update, valueOf } from "./store.js";

let requests = 0;
const SIZES = ["", "2160p", "1440p", "1080p", "720p", "480p", "360p", "240p"];

export function openRender() {
  update({ dialog: "render", stale: state.still.busy }); // the estimate takes the still's turn
  estimate();
}

/** Close the dialog that is open, and go on with the still. */
export function close() {
  const { stale } = state;
  update({ dialog: "", stale: false });
  if (stale) dreamStill();
}

function estimate() {
  check();
  const { source, recipe } = state;
  update({ output: { ...state.output, estimate: "", busy: true } });
  const request = ++requests;
  attempt(() => post("estimate", { source: source.id, recipe, format: currentFormat(), request, frame: 0 }));
}

export function takeEstimate(told) {
  if (told.request !== requests) return;
  const output = { ...state.output };
  if (told.ended) output.busy = false;
  if (told.text) output.estimate = told.text;
  if (told.error && told.error !== "cancelled") output.estimate = told.error;
  update({ output });
}

async function add() {
  const { source, recipe, output } = state;
  const added = await attempt(() =>
    post("renders", { source: source.id, recipe, format: currentFormat(), name: output.name }),
  );
  if (!added) return;
  update({ view: "renders", message: "" });
  close();
}

function dialog(label, content) {
  return html`
    <div class="veil" @click=${(event) => event.target === event.currentTarget && close()}>
      <div class="dialog" role="dialog" aria-modal="true" aria-label=${label} tabindex="-1">${content}</div>
    </div>
  `;
}

export function renderDialog() {
  const { output, checked } = state;
  const formats = state.boot.formats.filter((one) => one.film === Boolean(isFilm()));
  const set = (changes, again) => {
    update({ output: { ...state.output, ...changes } });
    again ? estimate() : check();
  };
  return dialog(
    "Render",
    html`
      <h2>Render</h2>
      <label>Name
        <input type="text" .value=${output.name} data-name @input=${(event) => set({ name: event.target.value })} />
      </label>
      <fieldset>
        <legend>What is it for?</legend>
        ${formats.map(
          (one) => html`
            <label class="choice">
              <input
                type="radio"
                name="format"
                value=${one.name}
                .checked=${currentFormat() === one.name}
                @change=${() => set({ format: one.name }, true)}
              />
              <span><strong>${one.label}</strong> <span class="hint">${one.help}</span></span>
            </label>
          `,
        )}
      </fieldset>
      <label>Size
        <select
          data-size
          @change=${(event) => {
            setValue("clip.size", event.target.value || undefined);
            estimate();
          }}
        >
          ${[...new Set([...SIZES, valueOf("clip.size")])].map(
            (size) => html`<option value=${size} ?selected=${valueOf("clip.size") === size}>${size || "as the source"}</option>`,
          )}
        </select>
      </label>
      <pre class="estimate" role="status" data-estimate>${output.busy && !output.estimate ? "Estimating …" : output.estimate}</pre>
      <label>The same on the command line</label>
      <pre class="command" data-command>${checked.command}</pre>
      ${checked.error ? html`<p class="error">${checked.error}</p>` : nothing}
      <div class="row end">
        <button @click=${() => copy(checked.command, "command")} data-copy-command>Copy as command</button>
        <span class="grow"></span>
        <button @click=${close}>Cancel</button>
        <button class="primary" @click=${add} data-add-render>Render</button>
      </div>
    `,
  );
}

function save() {
  const file = new Blob([state.checked.toml], { type: "application/toml" });
  const link = Object.assign(document.createElement("a"), {
    href: URL.createObjectURL(file),
    download: `${state.output.name || "recipe"}.toml`,
  });
  link.click();
  URL.revokeObjectURL(link.href);
}

export function recipeDialog() {
  const { checked } = state;
  return dialog(
    "Recipe",
    html`
      <h2>Recipe</h2>
      <label>As a command</label>
      <pre class="command" data-command>${checked.command}</pre>
      ${checked.error ? html`<p class="error">${checked.error}</p>` : nothing}
      <label>As a file</label>
      <pre class="toml" tabindex="0" data-toml>${checked.toml}</pre>
      <div class="row end">
        <button @click=${() => copy(checked.command, "command")} data-copy-command>Copy as command</button>
        <button @click=${save} data-save-recipe>Save recipe</button>
        <button @click=${() => choose({ forRecipe: true })} data-open-recipe>Open a recipe, or something dreamed…</button>
        <span class="grow"></span>
        <button class="primary" @click=${close}>Close</button>
      </div>
    `,
  );
}
