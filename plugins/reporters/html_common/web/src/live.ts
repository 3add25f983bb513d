// A page that follows a recording while it is made (memray live --web): the bar that says how it stands, and the stream
// of new data, one report as the page itself holds it at a time. What the user has chosen is the page's business; here
// it is which view of the recording, and whether to go on at all.

import { check, checkedValue, addRadio, onChange } from "./controls";
import { element, make } from "./dom";
import * as format from "./format";
import type { Chrome } from "./report";

export interface Live {
  state: "recording" | "ended" | "lost"; // of the recording
  view: string;
  held: string; // what the totals are those of
  page: string;
  pages: string[];
  views: [name: string, label: string][];
}

type Connection = "open" | "paused" | "lost"; // of this page

const pageNames: Record<string, string> = { flamegraph: "Flame graph", table: "Table" };

const parameters = new URLSearchParams(location.search);

function address(path: string, view: string): string {
  return `${path}?${new URLSearchParams({ token: parameters.get("token") ?? "", view })}`;
}

function stateText({ duration, live }: Chrome, connection: Connection): string {
  const time = format.duration(duration);
  if (connection === "lost") return "memray live has ended, or does not answer: this is what it sent last";
  if (connection === "paused") return `Paused at ${time}`;
  if (live!.state === "ended") return `The recording has ended, after ${time}`;
  if (live!.state === "lost") return `The connection to the recording was lost, after ${time}`;
  return `Recording, ${time}`;
}

export function follow<Report extends { chrome: Chrome }>(first: Report, update: (report: Report) => void): void {
  const { live } = first.chrome;
  if (!live) return;
  let { chrome } = first;
  let { view } = live;
  let connection: Connection = "open";
  let events: EventSource | undefined;
  const pause = element<HTMLButtonElement>("live-pause");

  const show = () => {
    element("live-state").textContent = stateText(chrome, connection);
    element("live").dataset.state = connection === "open" ? chrome.live!.state : connection;
    pause.textContent = connection === "paused" ? "Resume" : "Pause";
  };
  const connect = () => {
    events?.close();
    events = new EventSource(address(`/${live.page}/events`, view));
    events.addEventListener("message", ({ data }: MessageEvent<string>) => {
      const report = JSON.parse(data) as Report;
      connection = "open";
      ({ chrome } = report);
      show();
      update(report);
    });
    events.addEventListener("error", () => {
      connection = "lost";
      show();
    });
  };
  const fillPages = () => {
    element("live-pages").replaceChildren(
      ...live.pages.map((page) => {
        const name = pageNames[page] ?? page;
        if (page === live.page) return make("b", name);
        const link = make("a", name) as HTMLAnchorElement;
        link.href = address(`/${page}`, view);
        return link;
      }),
    );
  };

  element("live").hidden = false;
  for (const [name, label] of live.views) addRadio(element("live-views"), "live-view", name, label);
  check("live-view", view);
  onChange("input[name=live-view]", () => {
    view = checkedValue("live-view");
    history.replaceState(null, "", `${address(location.pathname, view)}${location.hash}`);
    fillPages();
    connection = "open";
    connect();
  });
  pause.addEventListener("click", () => {
    if (connection === "paused") {
      connection = "open";
      connect();
    } else {
      connection = "paused";
      events?.close();
    }
    show();
  });
  fillPages();
  show();
  connect();
}
