// Light or dark: what the system prefers, until somebody chooses.

export type Theme = "light" | "dark";

const key = "memray-theme";

// Storage may be forbidden for pages opened from a file.
function remembered(): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

function remember(theme: Theme): void {
  try {
    localStorage.setItem(key, theme);
  } catch {
    // Then it holds for this page.
  }
}

export function currentTheme(): Theme {
  return document.documentElement.dataset.theme === "dark" ? "dark" : "light";
}

function apply(theme: Theme): void {
  document.documentElement.dataset.theme = theme;
}

export function setUpTheme(button: HTMLElement, changed: () => void): void {
  const system = matchMedia("(prefers-color-scheme: dark)");
  const chosen = remembered();
  apply(chosen === "light" || chosen === "dark" ? chosen : system.matches ? "dark" : "light");
  system.addEventListener("change", () => {
    if (remembered() !== null) return;
    apply(system.matches ? "dark" : "light");
    changed();
  });
  button.addEventListener("click", () => {
    const theme = currentTheme() === "dark" ? "light" : "dark";
    remember(theme);
    apply(theme);
    changed();
  });
}

export function cssColour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}
