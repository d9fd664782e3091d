// The timeline: thumbnails, cuts, the waveform with its beats, and the curve that is edited, all over the same frames.

import { html, nothing } from "./vendor/lit-html/lit-html.js";
import { address } from "./server.js";
import { curveTools, keyframesOf, curveRange, moveKeyframe, addKeyframe, removeKeyframe } from "./curves.js";
import { goTo } from "./stage.js";
import { clock, setValue, state, timeline, update, valueOf } from "./store.js";

const FRAMES = 56; // px, height of the lane of thumbnails
const WAVE = 44;
const CURVE = 110;
const NEAR = 11; // px, how near a pointer has to be to a keyframe
let thumbnails = { key: "", pictures: [] };
let dragged = null; // "playhead", or the moment of a keyframe

export function timelineView() {
  const { frame, source, analysis } = state;
  const { count, rate, first, last } = timeline();
  if (count < 2) return nothing;
  const height = FRAMES + (analysis.wave ? WAVE : 0) + (state.curve ? CURVE : 0);
  return html`
    <section class="timeline" aria-label="Timeline">
      <canvas
        data-timeline
        tabindex="0"
        role="slider"
        aria-label="Frame"
        aria-valuemin="0"
        aria-valuemax=${count - 1}
        aria-valuenow=${frame}
        aria-valuetext="frame ${frame}, ${clock(frame / rate)}"
        style="height: ${height}px"
        @pointerdown=${press}
        @pointermove=${drag}
        @pointerup=${release}
        @dblclick=${double}
        @keydown=${step}
      ></canvas>
      <div class="row">
        <label class="inline">Frame
          <input
            type="number"
            min="0"
            max=${count - 1}
            .value=${String(frame)}
            data-frame
            @change=${(event) => goTo(Number(event.target.value))}
          />
        </label>
        <span class="hint">of ${count}, at ${clock(frame / rate)}</span>
        <span class="grow"></span>
        ${source.kind === "still"
          ? nothing
          : html`
              <button @click=${() => setEdge("clip.start", frame)} ?disabled=${frame >= last} data-start>
                Begin here
              </button>
              <button @click=${() => setEdge("clip.end", frame + 1)} ?disabled=${frame < first} data-end>End here</button>
              ${first > 0 || last < count
                ? html`<button class="quiet" @click=${wholeFilm}>Whole film</button>`
                : nothing}
            `}
      </div>
      ${state.curve ? curveTools() : nothing} ${heardText()}
    </section>
  `;
}

function heardText() {
  const { analysis } = state;
  const parts = [];
  if (analysis.cuts?.length) parts.push(`${analysis.cuts.length} ${analysis.cuts.length === 1 ? "cut" : "cuts"}`);
  if (analysis.tempo) parts.push(`${analysis.tempo} beats a minute`);
  if (analysis.notice) parts.push(analysis.notice);
  return parts.length ? html`<p class="hint" data-heard>${parts.join(" · ")}</p>` : nothing;
}

/** Let the render begin or end at a frame; the times are those of the file, rounded so that the frame is taken. */
function setEdge(name, frame) {
  const { source } = state;
  const microseconds = Math.floor((source.begins + (frame * source.rate[1]) / source.rate[0]) * 1e6 + 1e-3);
  const whole = name === "clip.start" ? frame === 0 : frame >= source.count;
  setValue(name, whole ? undefined : (microseconds / 1e6).toFixed(6));
}

function wholeFilm() {
  setValue("clip.start", undefined);
  setValue("clip.end", undefined);
}

// ---- the pointer and the keys

const canvas = () => document.querySelector("[data-timeline]");

function frameAt(event) {
  const box = canvas().getBoundingClientRect();
  const { count } = timeline();
  return ((event.clientX - box.left) / box.width) * count - 0.5;
}

function curveTop() {
  return FRAMES + (state.analysis.wave ? WAVE : 0);
}

function xOf(seconds) {
  const { count, rate, first } = timeline();
  return ((seconds * rate + first + 0.5) / count) * canvas().clientWidth;
}

function yOf(value) {
  const [low, high] = curveRange();
  return curveTop() + CURVE - 12 - ((value - low) / (high - low)) * (CURVE - 24);
}

function momentAt(event) {
  const { rate, first, last } = timeline();
  const frame = Math.min(Math.max(Math.round(frameAt(event)), first), Math.max(last - 1, first));
  return (frame - first) / rate;
}

function valueAt(event) {
  const [low, high] = curveRange();
  const y = event.clientY - canvas().getBoundingClientRect().top - curveTop();
  return Math.min(Math.max(low + ((CURVE - 12 - y) / (CURVE - 24)) * (high - low), low), high);
}

function nearest(event) {
  const box = canvas().getBoundingClientRect();
  const [x, y] = [event.clientX - box.left, event.clientY - box.top];
  const near = keyframesOf().filter((one) => Math.hypot(xOf(one.seconds) - x, yOf(one.value) - y) < NEAR);
  return near[0]?.moment;
}

const isInCurve = (event) =>
  state.curve && event.clientY - canvas().getBoundingClientRect().top > curveTop();

function press(event) {
  canvas().setPointerCapture(event.pointerId);
  if (isInCurve(event)) {
    dragged = nearest(event) ?? null;
    update({ keyframe: dragged });
    return;
  }
  dragged = "playhead";
  goTo(frameAt(event));
}

function drag(event) {
  if (dragged === "playhead") goTo(frameAt(event));
  else if (dragged !== null) {
    dragged = moveKeyframe(dragged, momentAt(event), valueAt(event));
    update({ keyframe: dragged });
  }
}

function release() {
  dragged = null;
}

function double(event) {
  if (isInCurve(event) && !nearest(event)) update({ keyframe: addKeyframe(momentAt(event), valueAt(event)) });
}

function step(event) {
  const { count } = timeline();
  const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowDown: -1, ArrowUp: 1, PageDown: -10, PageUp: 10 };
  if (event.key === "Home") goTo(0);
  else if (event.key === "End") goTo(count - 1);
  else if (event.key in steps) goTo(state.frame + steps[event.key] * (event.shiftKey ? 10 : 1));
  else if (event.key === "Delete" && state.keyframe != null) removeKeyframe(state.keyframe);
  else return;
  event.preventDefault();
}

// ---- drawing

export function drawTimeline() {
  const target = canvas();
  if (!target || !state.source) return;
  const scale = devicePixelRatio || 1;
  const [width, height] = [target.clientWidth, target.clientHeight];
  if (target.width !== Math.round(width * scale) || target.height !== Math.round(height * scale)) {
    target.width = Math.round(width * scale);
    target.height = Math.round(height * scale);
  }
  const pen = target.getContext("2d");
  const ink = getComputedStyle(document.body);
  const colour = (name) => ink.getPropertyValue(name).trim();
  pen.setTransform(scale, 0, 0, scale, 0, 0);
  pen.clearRect(0, 0, width, height);
  drawFrames(pen, width, colour);
  drawCuts(pen, width, colour);
  if (state.analysis.wave) drawWave(pen, width, colour);
  if (state.curve) drawCurve(pen, width, colour);
  drawUnused(pen, width, height);
  drawPlayhead(pen, width, height, colour);
}

function drawFrames(pen, width, colour) {
  const { source } = state;
  const { count } = timeline();
  const each = (FRAMES * source.width) / source.height;
  const places = Math.max(Math.floor(width / each), 1);
  const key = `${source.id} ${places}`;
  if (thumbnails.key !== key) {
    thumbnails = { key, pictures: [] };
    const still = source.kind === "still";
    for (let place = 0; place < places; place++) {
      const picture = new Image();
      const frame = still ? 0 : Math.min(Math.floor(((place + 0.5) / places) * count), count - 1);
      picture.onload = drawTimeline;
      picture.src = address(`frame/${source.id}/${frame}`, { height: 2 * FRAMES });
      thumbnails.pictures.push(picture);
    }
  }
  pen.fillStyle = colour("--sunken");
  pen.fillRect(0, 0, width, FRAMES);
  thumbnails.pictures.forEach((picture, place) => {
    if (picture.complete && picture.naturalWidth)
      pen.drawImage(picture, (place * width) / places, 0, width / places, FRAMES);
  });
}

function drawCuts(pen, width, colour) {
  const { count } = timeline();
  pen.fillStyle = colour("--accent");
  for (const cut of state.analysis.cuts ?? []) pen.fillRect((cut / count) * width - 1, 0, 2, FRAMES);
}

/** Where in the timeline sound begins that has its own beginning: a song begins with the part that is rendered. */
function soundBegins() {
  return valueOf("music.music").startsWith("@") ? timeline().first / timeline().rate : 0;
}

function drawWave(pen, width, colour) {
  const { wave, seconds, beats = [], bars = [], onsets = [] } = state.analysis;
  const { count, rate } = timeline();
  const x = (time) => ((time + soundBegins()) / (count / rate)) * width;
  const middle = FRAMES + WAVE / 2;
  pen.fillStyle = colour("--sunken");
  pen.fillRect(0, FRAMES, width, WAVE);
  pen.fillStyle = colour("--wave");
  const step = seconds / wave.length;
  wave.forEach((level, number) => {
    const tall = Math.max(level * (WAVE - 8), 1);
    pen.fillRect(x(number * step), middle - tall / 2, Math.max(x(step) - x(0), 0.7), tall);
  });
  const marks = (times, tall, name) => {
    pen.fillStyle = colour(name);
    for (const time of times) pen.fillRect(x(time), FRAMES + WAVE - tall, 1, tall);
  };
  marks(onsets, 5, "--onset");
  marks(beats, 12, "--text");
  marks(bars, WAVE, "--accent");
}

function drawCurve(pen, width, colour) {
  const { checked, curve, analysis } = state;
  const top = curveTop();
  pen.fillStyle = colour("--sunken");
  pen.fillRect(0, top, width, CURVE);
  const heard = Object.entries(analysis.levels ?? {}).find(([name]) => new RegExp(`\\b${name}\\b`).test(String(valueOf(curve))));
  if (heard) {
    const length = analysis.seconds / heard[1].length;
    pen.fillStyle = colour("--faint");
    heard[1].forEach((level, number) => {
      const x = xOf(number * length);
      pen.fillRect(x, top + CURVE - level * (CURVE - 24) - 12, Math.max(xOf(length) - xOf(0), 1), level * (CURVE - 24));
    });
  }
  const values = checked.film?.curves?.[curve];
  pen.strokeStyle = colour("--accent");
  pen.lineWidth = 2;
  pen.beginPath();
  if (values) checked.film.times.forEach((time, k) => pen.lineTo(xOf(time), yOf(values[k])));
  else if (typeof valueOf(curve) === "number") {
    pen.moveTo(0, yOf(valueOf(curve)));
    pen.lineTo(width, yOf(valueOf(curve)));
  }
  pen.stroke();
  for (const one of keyframesOf()) {
    pen.beginPath();
    pen.arc(xOf(one.seconds), yOf(one.value), one.moment === state.keyframe ? 7 : 5, 0, 7);
    pen.fillStyle = one.moment === state.keyframe ? colour("--text") : colour("--accent");
    pen.fill();
  }
  const [low, high] = curveRange();
  pen.fillStyle = colour("--soft");
  pen.font = "11px system-ui";
  pen.fillText(String(+high.toPrecision(4)), 4, top + 12);
  pen.fillText(String(+low.toPrecision(4)), 4, top + CURVE - 4);
}

function drawUnused(pen, width, height) {
  const { count, first, last } = timeline();
  pen.fillStyle = "rgb(0 0 0 / 55%)";
  pen.fillRect(0, 0, (first / count) * width, height);
  pen.fillRect((last / count) * width, 0, width, height);
}

function drawPlayhead(pen, width, height, colour) {
  const { count } = timeline();
  const x = ((state.frame + 0.5) / count) * width;
  pen.fillStyle = colour("--text");
  pen.fillRect(x - 1, 0, 2, height);
  pen.beginPath();
  pen.moveTo(x - 6, 0);
  pen.lineTo(x + 6, 0);
  pen.lineTo(x, 8);
  pen.fill();
}
