// Helpers that the scripts of all pages share.
const element = (id) => document.getElementById(id);
const distinct = (values) => [...new Set(values)];
const words = (name) => name.replaceAll("_", " ");

function create(tag, text, className) {
  const node = document.createElement(tag);
  if (text !== undefined) node.textContent = text;
  if (className) node.className = className;
  return node;
}

function createSvg(tag, attributes, text) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (text !== undefined) node.textContent = text;
  return node;
}

function fillSelect(id, values, withAny) {
  if (withAny) element(id).append(new Option("any", ""));
  for (const value of values) element(id).append(new Option(words(String(value)), value));
}
