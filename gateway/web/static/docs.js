"use strict";

// The token stays in this variable: it is written to no storage, and sent to this host alone.
let token = "";
let api = {};

const find = (selector, inside = document) => inside.querySelector(selector);
const authorization = () => (token ? { Authorization: `Bearer ${token}` } : {});

function resolved(node) {
  return node && node.$ref
    ? node.$ref.slice(2).split("/").reduce((inside, key) => inside[key.replaceAll("~1", "/")], api)
    : node;
}

async function load() {
  const response = await fetch("/openapi.json", { headers: authorization() });
  const document_ = await response.json();
  find("#notice").textContent = response.ok ? "" : document_.error.message;
  if (!response.ok) return;
  api = document_;
  const groups = new Map();
  for (const [path, methods] of Object.entries(api.paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      const tag = operation.tags[0];
      if (!groups.has(tag)) groups.set(tag, []);
      groups.get(tag).push(rendered(path, method, operation));
    }
  }
  const fixed = ["operations", "discovery"];
  const names = [...groups.keys()].sort((one, other) => fixed.indexOf(one) - fixed.indexOf(other));
  find("#operations").replaceChildren(...names.flatMap((name) => [heading(name), ...groups.get(name)]));
}

function heading(text) {
  const element = document.createElement("h2");
  element.textContent = text;
  return element;
}

function rendered(path, method, operation) {
  const card = find("#operation").content.cloneNode(true).firstElementChild;
  card.dataset.operation = operation.operationId;
  find(".method", card).textContent = method;
  find(".path", card).textContent = decodeURI(path);
  find(".title", card).textContent = operation.summary;
  const inputs = (operation.parameters || []).map((parameter) => [parameter, field(parameter, card)]);
  const media = operation.requestBody && operation.requestBody.content["application/json"];
  const body = find("textarea", card);
  if (media) body.value = media.example === undefined ? "" : JSON.stringify(media.example, null, 2);
  else find(".body", card).remove();
  find(".schemas pre", card).textContent = JSON.stringify(schemas(operation, media), null, 2);
  find("form", card).addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(card, path, method, inputs, media ? body.value : "");
  });
  return card;
}

function field(parameter, card) {
  const label = document.createElement("label");
  const name = document.createElement("span");
  const input = document.createElement("input");
  name.textContent = `${parameter.name}: ${parameter.description || parameter.in}`;
  if (parameter.required) name.className = "required";
  input.name = parameter.name;
  input.required = parameter.required === true;
  label.append(name, input);
  find(".parameters", card).append(label);
  return input;
}

function schemas(operation, media) {
  const success = resolved(operation.responses["200"] || {});
  const answer = success.content && success.content["application/json"];
  return { input: media ? resolved(media.schema) : null, output: answer ? resolved(answer.schema) : null };
}

async function attempt(card, path, method, inputs, body) {
  const headers = new Headers(authorization());
  const query = new URLSearchParams();
  let target = path;
  for (const [parameter, input] of inputs) {
    if (!input.value) continue;
    if (parameter.in === "header") headers.set(parameter.name, input.value);
    if (parameter.in === "query") query.set(parameter.name, input.value);
    if (parameter.in === "path") target = target.replace(`{${parameter.name}}`, encodeURIComponent(input.value));
  }
  const request = { method: method.toUpperCase(), headers };
  if (body) {
    headers.set("Content-Type", "application/json");
    request.body = body;
  }
  const output = find("output", card);
  const status = find(".status", card);
  const answer = find(".answer", card);
  output.dataset.done = "";
  answer.textContent = "";
  status.textContent = "…";
  try {
    const response = await fetch(target + (query.size ? `?${query}` : ""), request);
    status.textContent = `${response.status} ${response.statusText}`;
    if ((response.headers.get("Content-Type") || "").startsWith("text/event-stream")) {
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      for (let part = await reader.read(); !part.done; part = await reader.read()) answer.textContent += part.value;
      return;
    }
    answer.textContent = pretty(await response.text());
  } catch (error) {
    status.textContent = String(error);
  }
}

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

find("#sign-in").addEventListener("submit", (event) => {
  event.preventDefault();
  token = find("#token").value.trim();
  load();
});
load();
