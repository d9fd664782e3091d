// The parameters, made from the recipe: those that matter first, the rest folded by section; all can be searched.

import { live } from "./vendor/lit-html/directives/live.js";
import { html, nothing } from "./vendor/lit-html/lit-html.js";
import { openCurve } from "./curves.js";
import { choose, listenTo } from "./source.js";
import { isChanged, isFilm, setValue, state, update, valueOf } from "./store.js";

const SECTIONS = {
  network: "Network", dream: "Dream", temporal: "Over time", camera: "Camera", music: "Music", finish: "Finish",
  clip: "Length and size", encoding: "Encoding",
};
const MODELS = ["efficientnet-lite0", "efficientnet-lite2", "googlenet", "vgg16", "vgg16-hed", "resnet50", "inception_v3"];
const KINDS = { music: ["sound", "film"], mask: ["picture", "film", "frames"], guide: ["picture", "film"], palette: ["picture"] };

export function parameterPanel() {
  const { parameters } = state.boot;
  const words = state.search.toLowerCase().split(/\s+/).filter(Boolean);
  const found = parameters.filter((one) => words.every((word) => `${one.name} ${one.help}`.toLowerCase().includes(word)));
  const changed = parameters.filter((one) => isChanged(one.name) && !one.first && one.name !== "music.music");
  return html`
    <aside class="parameters" aria-label="Parameters">
      <input
        type="search"
        placeholder="Search the ${parameters.length} parameters"
        aria-label="Search the parameters"
        data-search
        .value=${live(state.search)}
        @input=${(event) => update({ search: event.target.value })}
      />
      ${musicRow()}
      ${words.length
        ? html`${found.map(row)}${found.length ? nothing : html`<p class="hint">Nothing is called that.</p>`}`
        : html`
            ${order(parameters.filter((one) => one.first)).map(row)}
            ${changed.length ? html`<h3>Changed besides</h3>${changed.map(row)}` : nothing}
            ${Object.entries(SECTIONS).map(
              ([section, label]) => html`
                <details data-section=${section}>
                  <summary>${label}</summary>
                  ${parameters.filter((one) => one.section === section && !one.first && !isChanged(one.name) && one.name !== "music.music").map(row)}
                </details>
              `,
            )}
          `}
    </aside>
  `;
}

const FIRST = [
  "finish.strength", "dream.colors", "finish.palette", "finish.color", "finish.spare_smooth", "finish.blend", "dream.step",
  "dream.iterations", "network.layers", "temporal.morph", "camera.zoom", "clip.size",
];
const order = (list) => FIRST.map((name) => list.find((one) => one.name === name)).filter(Boolean);

function musicRow() {
  const songs = state.boot.files.filter((one) => one.kind === "sound");
  const music = valueOf("music.music");
  const { source, checked } = state;
  const take = (event) => {
    setValue("music.music", event.target.value || undefined);
    listenTo();
  };
  return html`
    <div class="parameter">
      <label for="music">Music</label>
      <select id="music" data-music @change=${take}>
        <option value="" ?selected=${!music}>none</option>
        ${source.sound ? html`<option value="source" ?selected=${music === "source"}>the film's own sound</option>` : nothing}
        ${songs.map((one) => html`<option value="@${one.id}" ?selected=${music === `@${one.id}`}>${one.name}</option>`)}
      </select>
      <button class="quiet" @click=${() => choose()}>Song…</button>
    </div>
    ${source.kind === "still"
      ? html`<div class="parameter">
          <label for="seconds">Make it a film</label>
          <input
            id="seconds"
            type="number"
            min="0"
            step="1"
            data-seconds
            .value=${live(String(valueOf("clip.seconds")))}
            @change=${(event) => setValue("clip.seconds", Number(event.target.value) || undefined)}
          /><span class="hint">seconds${checked.film?.is_film ? "" : "; 0 = a picture"}</span>
        </div>`
      : nothing}
  `;
}

function row(described) {
  const { name, key, help } = described;
  const id = `p-${name}`;
  return html`
    <div class="parameter ${isChanged(name) ? "changed" : ""}" data-parameter=${name}>
      <label for=${id} title=${help}>${words(key)}</label>
      ${control(described, id)}
      ${described.curve
        ? html`<button
            class="quiet curve-button"
            title="Let it change over time"
            aria-label="Let ${words(key)} change over time"
            aria-pressed=${state.curve === name}
            ?disabled=${!isFilm()}
            @click=${() => openCurve(name)}
            data-open-curve=${name}
          >
            ∿
          </button>`
        : html`<span></span>`}
      ${isChanged(name)
        ? html`<button
            class="quiet"
            title="Back to the default"
            aria-label="Set ${words(key)} back to its default"
            @click=${() => setValue(name, undefined)}
            data-reset=${name}
          >
            ↺
          </button>`
        : html`<span></span>`}
      <p class="help">${help}</p>
    </div>
  `;
}

const words = (key) => key.replaceAll("_", " ");

function control(described, id) {
  const { name, kind, choices, file } = described;
  const value = valueOf(name);
  if (typeof value === "object" && value !== null)
    return html`<span class="curved">${Object.keys(value).filter((one) => one !== "ease").length} keyframes</span>`;
  if (kind === "bool")
    return html`<input
      id=${id}
      type="checkbox"
      .checked=${live(Boolean(value))}
      @change=${(event) => setValue(name, event.target.checked || undefined)}
    />`;
  if (kind === "number") return typeof value === "string" && described.curve ? text(described, id) : number(described, id);
  if (file) return files(described, id);
  if (choices.length) return choice(described, id);
  return text(described, id);
}

function number(described, id) {
  const { name, whole, usual, low, high, choices, optional } = described;
  const value = valueOf(name);
  const [from, to] = usual.length ? usual : [low, high];
  const isNumber = typeof value === "number";
  const step = whole ? 1 : (to - from) / 200;
  const take = (event) => {
    const given = event.target.value;
    if (given === "") return setValue(name, undefined);
    const read = Number(given);
    setValue(name, Number.isFinite(read) ? read : given);
  };
  const bounded = Number.isFinite(Number(from)) && Number.isFinite(Number(to)) && from !== to;
  return html`
    <span class="number">
      ${bounded
        ? html`<input
            type="range"
            min=${from}
            max=${to}
            step=${step}
            aria-label=${`${words(described.key)}, slider`}
            data-slider=${name}
            .value=${live(String(isNumber ? value : from))}
            @input=${take}
          />`
        : nothing}
      <input
        id=${id}
        type=${choices.length || optional || value === "inf" ? "text" : "number"}
        inputmode="decimal"
        step="any"
        min=${low === "-inf" ? nothing : low}
        max=${high === "inf" ? nothing : high}
        data-number=${name}
        placeholder=${optional ? "usual" : nothing}
        list=${choices.length ? `${id}-words` : nothing}
        .value=${live(value === null ? "" : String(value))}
        @change=${take}
      />
      ${choices.length
        ? html`<datalist id="${id}-words">${choices.map((word) => html`<option value=${word}></option>`)}</datalist>`
        : nothing}
    </span>
  `;
}

function choice(described, id) {
  const { name, choices, default: usual } = described;
  return html`<select id=${id} data-choice=${name} @change=${(event) => setValue(name, event.target.value)}>
    ${choices.map(
      (word) => html`<option value=${word} ?selected=${valueOf(name) === word}>${word}${word === usual ? " (default)" : ""}</option>`,
    )}
  </select>`;
}

function files(described, id) {
  const { name, key, choices, default: usual } = described;
  const value = String(valueOf(name));
  const kinds = KINDS[key] ?? ["film", "picture", "sound"];
  const fitting = state.boot.files.filter((one) => kinds.includes(one.kind));
  const isKnown = !value || choices.includes(value) || fitting.some((one) => value === `@${one.id}`);
  return html`
    <span class="files">
      <select id=${id} data-choice=${name} @change=${(event) => setValue(name, event.target.value || undefined)}>
        ${choices.includes(usual) ? nothing : html`<option value="" ?selected=${!value}>none</option>`}
        ${choices.map((word) => html`<option value=${word} ?selected=${value === word}>${word}</option>`)}
        ${fitting.map((one) => html`<option value="@${one.id}" ?selected=${value === `@${one.id}`}>${one.name}</option>`)}
        ${isKnown ? nothing : html`<option value=${value} selected>${value}</option>`}
      </select>
      ${name === "finish.palette" ? swatches(value) : nothing}
    </span>
  `;
}

function swatches(value) {
  return html`<span class="swatches" role="group" aria-label="Palettes">
    ${Object.entries(state.boot.palettes).map(
      ([name, colours]) => html`<button
        title=${name}
        aria-label="Palette ${name}"
        aria-pressed=${value === name}
        style="background: linear-gradient(90deg, ${colours.split(" ").map((one) => `#${one}`).join(", ")})"
        @click=${() => setValue("finish.palette", value === name ? undefined : name)}
        data-palette=${name}
      ></button>`,
    )}
  </span>`;
}

function text(described, id) {
  const { name } = described;
  const list = name === "network.model" ? "models" : nothing;
  return html`<input
      id=${id}
      type="text"
      list=${list}
      data-text=${name}
      .value=${live(String(valueOf(name)))}
      @change=${(event) => setValue(name, event.target.value.trim() || undefined)}
    />${name === "network.model"
      ? html`<datalist id="models">${MODELS.map((one) => html`<option value=${one}></option>`)}</datalist>`
      : nothing}`;
}
