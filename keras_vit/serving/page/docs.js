"use strict";

// Writes out openapi.json, with the name of the model that is served.

const model = encodeURIComponent(document.body.dataset.model);

function add(parent, tag, text) {
  const made = document.createElement(tag);
  made.textContent = text;
  parent.append(made);
  return made;
}

function addMethod(method, path, { summary, description, requestBody, responses }) {
  const section = add(document.getElementById("paths"), "section", "");
  add(section, "h2", `${method.toUpperCase()} ${path.replace("{name}", model)}`);
  add(section, "p", `${summary}. ${description ?? ""}`);
  const example = requestBody?.content["application/json"].example;
  if (example) {
    add(section, "pre", JSON.stringify(example));
  }
  const list = add(section, "ul", "");
  for (const [status, response] of Object.entries(responses)) {
    add(list, "li", `${status}: ${response.description}`);
  }
}

async function write() {
  const { paths } = await (await fetch("openapi.json")).json();
  for (const [path, methods] of Object.entries(paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      addMethod(method, path, operation);
    }
  }
}

write();
