// Starts the browsers that are installed, as the tests want them.

import playwright from "playwright-core";

const CHROMIUM = {
  executablePath: "/usr/bin/chromium",
  // Everything is on this machine: nothing of it is to be protected, and nothing may call home.
  args: [
    "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-default-apps", "--mute-audio",
  ],
};

/** Firefox is told its colours when it starts. */
const FIREFOX_COLOURS = { dark: 0, light: 1 };

const FIREFOX = {
  // Debian's own Firefox, driven by WebDriver BiDi; Playwright's needs a build of its own.
  channel: "moz-firefox",
  executablePath: "/usr/bin/firefox-esr",
  firefoxUserPrefs: {
    "media.autoplay.default": 0,
    "app.update.disabledForTesting": true,
    "browser.safebrowsing.update.enabled": false,
    "datareporting.policy.dataSubmissionEnabled": false,
    "network.captive-portal-service.enabled": false,
    "network.connectivity-service.enabled": false,
    "services.settings.server": "http://127.0.0.1:9/",
    "toolkit.telemetry.server": "",
    "extensions.getAddons.cache.enabled": false,
  },
};

/** A browser, and how it makes a context for a visitor: a Firefox has one kind of colours. */
export async function start(name, colours = "dark") {
  if (name === "chromium") {
    const browser = await playwright.chromium.launch(CHROMIUM);
    const visit = (wishes) => browser.newContext(wishes);
    return { browser, visit, schemes: ["light", "dark"] };
  }
  const browser = await playwright.firefox.launch({
    ...FIREFOX,
    firefoxUserPrefs: {
      ...FIREFOX.firefoxUserPrefs,
      "layout.css.prefers-color-scheme.content-override": FIREFOX_COLOURS[colours],
    },
  });
  const visit = ({ colorScheme, ...wishes }) => browser.newContext(wishes);
  return { browser, visit, schemes: [colours] };
}
