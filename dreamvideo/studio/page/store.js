// The page's state: one object, drawn anew after every change. The recipe changes through `edit`, which can be undone.

import { post } from "./server.js";

export const state = {
  boot: null, // what the studio told at the beginning: parameters, looks, formats, files
  lost: false, // whether the studio does not answer
  view: "dream", // or "renders", "gallery"
  message: "", // a sentence for the user, until it is put away
  source: null, // the open film or picture
  frame: 0,
  recipe: {}, // what differs from the defaults: {section: {key: value}}
  preset: "", // the look that the recipe began with
  undo: [],
  redo: [],
  checked: { toml: "", command: "", film: null, error: "", notices: [] },
  still: { picture: "", level: -1, levels: 0, done: 0, total: 0, error: "", notices: [], busy: false },
  stretch: null, // a film of a short stretch: {busy, done, total, name, frame}
  analysis: {}, // cuts, wave, beats, …
  looks: { tab: "presets", pictures: {}, layers: [], layerPictures: {}, errors: {} },
  search: "",
  curve: "", // the parameter whose curve is edited
  painting: false,
  dialog: "", // "render" or "recipe"
  stale: false, // whether the still is to be dreamed anew when that is closed
  output: { name: "", format: "", estimate: "", busy: false },
  renders: [],
  watched: {}, // films of renders so far, by their number
  gallery: [],
  compared: [],
  uploading: null, // {name, done}
};

const listeners = [];
let drawing = false;
export const onDraw = (listener) => listeners.push(listener);

/** Change the state, and draw it with the next frame of the screen. */
export function update(changes) {
  Object.assign(state, changes);
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => {
    drawing = false;
    for (const listener of listeners) listener();
  });
}

export const say = (message) => update({ message });

/** Run something, and show the user what went wrong with it. */
export async function attempt(action) {
  try {
    return await action();
  } catch (error) {
    say(error.message);
    return undefined;
  }
}

/** Put a text onto the clipboard. */
export async function copy(text, what) {
  try {
    await navigator.clipboard.writeText(text);
    say(`The ${what} is copied.`);
  } catch {
    say(`The browser does not let the page copy: mark the ${what} and copy it.`);
  }
}

const onEdit = [];
export const afterEdit = (listener) => onEdit.push(listener);

/** Set the recipe; an edit of the same parameter soon after joins the one before, so that a drag is one step back. */
let lastEdit = { name: "", time: 0 };
export function edit(recipe, { name = "", preset = state.preset } = {}) {
  const joined = name && lastEdit.name === name && Date.now() - lastEdit.time < 800;
  if (!joined) state.undo = [...state.undo.slice(-99), { recipe: state.recipe, preset: state.preset }];
  lastEdit = { name, time: Date.now() };
  update({ recipe, preset, redo: [] });
  for (const listener of onEdit) listener();
}

export function stepBack(from, to) {
  if (!state[from].length) return;
  const before = state[from].at(-1);
  update({
    [from]: state[from].slice(0, -1),
    [to]: [...state[to], { recipe: state.recipe, preset: state.preset }],
    ...before,
  });
  lastEdit = { name: "", time: 0 };
  for (const listener of onEdit) listener();
}

export const parameter = (name) => state.boot.parameters.find((one) => one.name === name);

/** Return a parameter's value in the recipe, or its default. */
export function valueOf(name, recipe = state.recipe) {
  const [section, key] = split(name);
  return recipe[section]?.[key] ?? parameter(name).default;
}

export const isChanged = (name) => {
  const [section, key] = split(name);
  return state.recipe[section]?.[key] !== undefined;
};

/** Set a parameter; its default, or undefined, takes it out of the recipe. */
export function setValue(name, value) {
  const [section, key] = split(name);
  const table = { ...state.recipe[section] };
  if (value === undefined || value === parameter(name)?.default) delete table[key];
  else table[key] = value;
  const recipe = { ...state.recipe, [section]: table };
  if (!Object.keys(table).length) delete recipe[section];
  edit(recipe, { name });
}

const split = (name) => [name.slice(0, name.indexOf(".")), name.slice(name.indexOf(".") + 1)];

/** The frames of the timeline: those of the film, or of the film that is made of a picture. */
export function timeline() {
  const { source, checked } = state;
  if (!source) return { count: 1, rate: 24, first: 0 };
  const rate = source.rate[0] / source.rate[1];
  if (source.kind === "still") {
    const film = checked.film?.is_film ? checked.film : null;
    return { count: film ? film.count : 1, rate, first: 0, last: film ? film.count : 1 };
  }
  const film = checked.film;
  const first = film ? Math.round((film.begins - source.begins) * rate) : 0;
  const last = first + (film ? film.count : source.count);
  return { count: Math.max(source.count, last), rate, first, last };
}

export const clock = (seconds) => {
  const minutes = Math.floor(seconds / 60);
  return `${minutes}:${(seconds - 60 * minutes).toFixed(2).padStart(5, "0")}`;
};

export const duration = (seconds) => {
  if (seconds < 90) return `${Math.max(Math.round(seconds), 1)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return `${Math.floor(seconds / 3600)} h ${String(Math.round((seconds % 3600) / 60)).padStart(2, "0")} min`;
};

export const isFilm = () => state.source && (state.source.kind !== "still" || Boolean(state.checked.film?.is_film));

let checks = 0;
/** Have the studio check the recipe, and tell what it comes to. */
export async function check() {
  const number = ++checks;
  const { source, recipe, preset, output } = state;
  try {
    const name = output.name || undefined;
    const checked = await post("check", { recipe, source: source?.id, preset, format: currentFormat(), name });
    if (number === checks) update({ checked: { film: null, notices: [], error: "", ...checked } });
  } catch (error) {
    if (number === checks) update({ checked: { ...state.checked, error: error.message } });
  }
}

export function currentFormat() {
  const film = isFilm();
  const fitting = state.boot.formats.filter((one) => one.film === Boolean(film));
  return (fitting.find((one) => one.name === state.output.format) ?? fitting[0]).name;
}
