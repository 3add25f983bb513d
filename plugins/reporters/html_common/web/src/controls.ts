// The choices in the toolbar: reading, setting and being told of them.

import { element, make } from "./dom";

export function checkedValue(name: string): string {
  return document.querySelector<HTMLInputElement>(`input[name=${name}]:checked`)!.value;
}

export function check(name: string, value: string): void {
  document.querySelector<HTMLInputElement>(`input[name=${name}][value=${value}]`)!.checked = true;
}

export function onChange(selector: string, act: () => void): void {
  for (const input of document.querySelectorAll(selector)) input.addEventListener("change", act);
}

export function addRadio(group: HTMLElement, name: string, value: string, label: string): void {
  const input = make("input") as HTMLInputElement;
  input.type = "radio";
  input.name = name;
  input.value = value;
  input.checked = group.childElementCount === 0;
  const box = make("label");
  box.append(input, make("span", label));
  group.append(box);
}

export function addOption(select: string, label: string, value: string): void {
  const option = make("option", label) as HTMLOptionElement;
  option.value = value;
  element(select).append(option);
}

export function selected(select: string): string {
  return element<HTMLSelectElement>(select).value;
}

export function isChecked(box: string): boolean {
  return element<HTMLInputElement>(box).checked;
}
