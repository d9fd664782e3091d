// What the page asks the studio for. The token comes with the address that `dreamvideo studio` prints, and is kept for
// this address only; every request for data brings it.

const KEY = "dreamvideo-token";
const given = new URLSearchParams(location.search).get("token");
if (given) {
  localStorage.setItem(KEY, given);
  history.replaceState(null, "", "/"); // not left where it is seen, or copied with the address
}
const token = localStorage.getItem(KEY) ?? "";
export const openedAnew = Boolean(given);
export const client = crypto.randomUUID();

/** Return the address of something to show, with the token in it. */
export function address(path, query = {}) {
  return `/api/${path}?${new URLSearchParams({ ...query, token })}`;
}

/** Send a request and return the answer; throw an Error with a sentence for the user. */
async function request(path, options) {
  let answer;
  try {
    answer = await fetch(path, { ...options, headers: { Authorization: `Bearer ${token}`, ...options.headers } });
  } catch {
    throw new Error("the studio does not answer");
  }
  const data = await answer.json().catch(() => ({ error: `the studio failed (${answer.status})` }));
  if (!answer.ok) throw Object.assign(new Error(data.error ?? "the studio failed"), { status: answer.status });
  return data;
}

export const get = (path) => request(`/api/${path}`, {});
export const post = (path, body = {}) =>
  request(`/api/${path}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ ...body, client }),
  });
export const send = (path, body, query = {}) =>
  request(`/api/${path}?${new URLSearchParams(query)}`, { method: "POST", body });

/** Send a file, and tell how far that is, from 0 to 1. */
export function upload(file, group, onProgress) {
  return new Promise((resolve, reject) => {
    const sending = new XMLHttpRequest();
    sending.open("POST", `/api/upload?${new URLSearchParams({ name: file.name, group })}`);
    sending.setRequestHeader("Authorization", `Bearer ${token}`);
    sending.upload.onprogress = (event) => event.lengthComputable && onProgress(event.loaded / event.total);
    sending.onload = () => {
      const answer = JSON.parse(sending.responseText || "{}");
      sending.status === 200 ? resolve(answer) : reject(new Error(answer.error ?? "the file was not taken"));
    };
    sending.onerror = () => reject(new Error("the studio does not answer"));
    sending.send(file);
  });
}

/** Listen to the studio: `onMessage` gets what it tells, `onLost` and `onFound` hear when it goes and comes. */
export function listen(onMessage, onLost, onFound) {
  const source = new EventSource(address("events", { client }));
  source.onmessage = (event) => onMessage(JSON.parse(event.data));
  source.onopen = onFound;
  source.onerror = () => {
    onLost();
    if (source.readyState === EventSource.CLOSED) setTimeout(() => listen(onMessage, onLost, onFound), 1500);
  };
}
