// The stage: the frame before and after, coarse first; a short stretch of film; and painting a mask over it.

import { html, nothing } from "./vendor/lit-html/lit-html.js";
import { address, post, send } from "./server.js";
import { dreamLooks } from "./looks.js";
import { attempt, edit, isFilm, say, state, timeline, update, valueOf } from "./store.js";

let requests = 0;
let waiting = 0;
let lastSent = 0;
const PAUSE = 60; // ms between two requests while something is dragged
const SECONDS = 2; // of a stretch
let brush = 0.05; // of the picture's height
let erases = false;

/** Dream the frame anew; what was dreamed of an older change is given up. */
export function dreamStill({ fullSize = false } = {}) {
  if (!state.source) return;
  clearTimeout(waiting);
  const request = ++requests;
  update({ still: { ...state.still, busy: true, error: "", level: -1, done: 0 }, stretch: null });
  waiting = setTimeout(async () => {
    lastSent = Date.now();
    const { source, frame, recipe } = state;
    try {
      await post("still", { source: source.id, frame, recipe, request, order: request, fullSize });
    } catch (error) {
      if (request === requests) update({ still: { ...state.still, busy: false, error: error.message } });
    }
  }, Math.max(PAUSE - (Date.now() - lastSent), 0));
}

export function takeStill(told) {
  if (told.request !== requests || told.error === "cancelled") return;
  const still = { ...state.still };
  if (told.error) Object.assign(still, { error: told.error, busy: false });
  else if (told.ended) still.busy = false;
  else Object.assign(still, { level: told.level, levels: told.levels, done: told.done, total: told.total });
  if (told.notices) still.notices = told.notices;
  if (told.picture) Object.assign(still, { picture: told.picture, size: told.size, full: told.full });
  update({ still });
}

export function dreamStretch() {
  const { source, frame, recipe } = state;
  update({ stretch: { busy: true, done: 0, total: 0, frame } });
  const request = ++requests;
  attempt(() => post("stretch", { source: source.id, frame, recipe, request, order: request, seconds: SECONDS })).then(
    () => update({ still: { ...state.still, busy: false } }),
  );
}

export function takeStretch(told) {
  if (told.request !== requests || !state.stretch) return;
  if (told.error) {
    update({ stretch: null });
    if (told.error !== "cancelled") say(told.error);
  } else if (told.film) update({ stretch: { ...state.stretch, busy: false, name: told.film } });
  else if (told.total) update({ stretch: { ...state.stretch, done: told.done, total: told.total } });
}

export function stage() {
  const { source, still, stretch, checked } = state;
  const notices = [...new Set([...(still.notices ?? []), ...(checked.notices ?? [])])];
  const shape = `${source.width} / ${source.height}`;
  return html`
    <section class="stage" aria-label="The frame, before and after">
      <div class="picture" style="aspect-ratio: ${shape}; --shape: ${source.width / source.height}">
        ${stretch?.name ? stretchFilm() : compared()} ${state.painting ? canvas() : nothing}
      </div>
      <div class="under">
        <p class="status" role="status" data-status>${statusText()}</p>
        <div class="row">
          ${state.painting ? paintTools() : stageTools()}
        </div>
      </div>
      ${notices.map((one) => html`<p class="hint" data-notice>${one}</p>`)}
    </section>
  `;
}

function compared() {
  const { source, still, frame } = state;
  const first = source.kind === "still" ? 0 : Math.min(frame, source.count - 1);
  const before = address(`frame/${source.id}/${first}`, { height: 1080 });
  const after = still.picture ? address(`picture/${still.picture}`) : before;
  return html`
    <img-comparison-slider
      value="35"
      tabindex="0"
      aria-label="Compare before and after: move with the arrow keys"
      ?data-busy=${still.busy}
    >
      <img slot="first" alt="Frame ${frame} before" src=${before} data-before />
      <img slot="second" alt="Frame ${frame} dreamed" src=${after} data-after data-picture=${still.picture} />
    </img-comparison-slider>
  `;
}

function stretchFilm() {
  const sound = state.source.sound || valueOf("music.music");
  return html`
    <video
      data-stretch
      src=${address(`film/${state.stretch.name}`)}
      autoplay
      loop
      muted
      playsinline
      @timeupdate=${sound ? followSound : nothing}
    ></video>
    <button class="over" @click=${() => update({ stretch: null })} data-close-stretch>Back to the still</button>
  `;
}

let played = null;
/** Keep the sound in step with the film, which has none of its own and begins again and again. */
function followSound(event) {
  const film = event.target;
  const music = valueOf("music.music");
  const song = music.startsWith("@");
  const known = song ? music.slice(1) : state.source.id;
  if (!played || played.known !== known || played.film !== film) {
    played?.sound.pause();
    const sound = new Audio(address(`sound/${known}`, song ? { song: 1 } : {}));
    played = { sound, known, film };
    const gone = setInterval(() => {
      if (film.isConnected) return;
      sound.pause();
      clearInterval(gone);
    }, 200);
    sound.play().catch(() => {});
  }
  const { first, rate } = timeline();
  const begins = (state.stretch?.frame ?? 0) / rate - (song ? first / rate : 0);
  if (Math.abs(played.sound.currentTime - begins - film.currentTime) > 0.15) played.sound.currentTime = begins + film.currentTime;
}

function stageTools() {
  const { still, stretch, source } = state;
  const reduced = still.full && still.size && still.size[0] < still.full[0] && still.level + 1 === still.levels;
  return html`
    ${reduced && !still.busy
      ? html`<button @click=${() => dreamStill({ fullSize: true })}>Dream at full size</button>`
      : nothing}
    <label class="inline">Dream
      <select data-mask-from @change=${(event) => maskFrom(event.target.value)}>
        ${Object.entries(masks()).map(
          ([value, words]) => html`<option value=${value} ?selected=${value === maskNow()}>${words}</option>`,
        )}
      </select>
    </label>
    ${isFilm()
      ? html`<button
          @click=${dreamStretch}
          ?disabled=${stretch?.busy}
          data-play-stretch
          title="Dream ${SECONDS} seconds from this frame on, at reduced size, and loop them"
        >
          ▶ ${SECONDS} s
        </button>`
      : nothing}
  `;
}

function statusText() {
  const { still, stretch, checked } = state;
  if (stretch?.busy)
    return stretch.total ? `Dreaming ${SECONDS} s: ${stretch.done} of ${stretch.total} frames` : "Dreaming a stretch …";
  if (stretch?.name) return `${SECONDS} s from here on, at reduced size`;
  if (checked.error) return checked.error;
  if (still.error) return still.error;
  if (still.busy) {
    const how = still.level < 0 ? "" : still.level + 1 < still.levels ? ", coarse" : still.levels > 1 ? ", finer" : "";
    const count = still.total > 1 ? `: ${still.done} of ${still.total} frames up to this one` : "";
    return `Dreaming${how}${count} …`;
  }
  if (!still.picture) return "";
  const size = still.size ? `dreamed at ${still.size[0]}×${still.size[1]}` : "";
  const moves = onlyInMotion();
  return [`As it will look${isFilm() ? " in the film" : ""}, ${size}.`, ...moves].join(" ");
}

const IN_MOTION = {
  "temporal.morph": "how the dream keeps changing",
  "temporal.flow": "how the dream follows what moves",
  "temporal.passes": "two passes",
  "temporal.persistence": "persistence",
  "camera.loop": "the loop",
};

function onlyInMotion() {
  if (!isFilm()) return [];
  const names = Object.keys(IN_MOTION).filter((name) => valueOf(name) !== state.boot.parameters.find((one) => one.name === name).default);
  return names.length ? [`Shows only in motion: ${names.map((name) => IN_MOTION[name]).join(", ")} – play ▶ ${SECONDS} s.`] : [];
}

// ---- where the dream shows

function masks() {
  const known = { none: "everywhere", paint: "where I paint …", luma: "on what is bright", edges: "along edges" };
  if (isFilm()) known.motion = "on what moves";
  if (valueOf("finish.mask")) known.file = "where the mask is white";
  return known;
}

const maskNow = () => (valueOf("finish.mask") ? "file" : valueOf("finish.mask_from"));

function maskFrom(chosen) {
  if (chosen === "paint") update({ painting: true, stretch: null });
  else if (chosen !== "file") {
    const { mask: _, mask_from: __, ...finish } = state.recipe.finish ?? {};
    if (chosen !== "none") finish.mask_from = chosen;
    edit({ ...state.recipe, finish });
  }
}

function canvas() {
  const { source } = state;
  return html`<canvas
    class="mask"
    data-mask
    width=${source.width}
    height=${source.height}
    aria-label="Paint where the dream is to show"
    @pointerdown=${paintFrom}
    @pointermove=${paintTo}
    @pointerup=${paintEnd}
  ></canvas>`;
}

let last = null;

function place(event) {
  const box = event.target.getBoundingClientRect();
  const scale = event.target.width / box.width;
  return [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
}

function paintFrom(event) {
  event.target.setPointerCapture(event.pointerId);
  last = place(event);
  stroke(event.target, last, last);
}

function paintTo(event) {
  if (!last) return;
  const next = place(event);
  stroke(event.target, last, next);
  last = next;
}

function paintEnd() {
  last = null;
}

function stroke(target, from, to) {
  const pen = target.getContext("2d");
  pen.globalCompositeOperation = erases ? "destination-out" : "source-over";
  pen.strokeStyle = "#fff";
  pen.lineCap = "round";
  pen.lineWidth = brush * target.height * 2;
  pen.beginPath();
  pen.moveTo(...from);
  pen.lineTo(...to);
  pen.stroke();
}

function paintTools() {
  return html`
    <label class="inline">Brush
      <input type="range" min="0.01" max="0.25" step="0.005" .value=${String(brush)}
        @input=${(event) => (brush = Number(event.target.value))} />
    </label>
    <button aria-pressed=${erases} @click=${() => { erases = !erases; update({}); }}>Erase</button>
    <button @click=${() => { const c = document.querySelector("[data-mask]"); c.getContext("2d").clearRect(0, 0, c.width, c.height); }}>Clear</button>
    <button @click=${() => update({ painting: false })}>Cancel</button>
    <button class="primary" data-take-mask @click=${takeMask}>Dream there</button>
  `;
}

async function takeMask() {
  const painted = document.querySelector("[data-mask]");
  const mask = Object.assign(document.createElement("canvas"), { width: painted.width, height: painted.height });
  const pen = mask.getContext("2d");
  pen.fillStyle = "#000";
  pen.fillRect(0, 0, mask.width, mask.height);
  pen.drawImage(painted, 0, 0);
  const picture = await new Promise((resolve) => mask.toBlob(resolve, "image/png"));
  const kept = await attempt(() => send("paint", picture));
  update({ painting: false });
  if (!kept) return;
  state.boot.files.push(kept);
  const finish = { ...state.recipe.finish, mask: `@${kept.id}`, feather: state.recipe.finish?.feather ?? 2 };
  edit({ ...state.recipe, finish });
}

let resting = 0;
/** Move to a frame, and dream it once the scrubbing rests. */
export function goTo(frame, atOnce = false) {
  const next = Math.min(Math.max(Math.round(frame), 0), timeline().count - 1);
  if (next === state.frame && !atOnce) return;
  const changed = next !== state.frame;
  update({ frame: next, stretch: null, still: { ...state.still, picture: changed ? "" : state.still.picture, busy: true, level: -1, error: "" } });
  requests += 1; // what is still told of another frame is not shown
  clearTimeout(resting);
  resting = setTimeout(() => {
    dreamStill();
    dreamLooks();
  }, atOnce ? 0 : 180);
}
