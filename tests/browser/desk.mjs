// An operator at his page: `node desk.mjs <browser> <balancer> <password> <folder>`.
//
// Signs in with the keyboard, looks at every page in all its shapes, and does everything that
// can be done, without a script on the page. Ends with an account as JSON, or with what is wrong.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { start } from "./browsers.mjs";

const [name, balancer, password, folder] = process.argv.slice(2);
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const { browser, visit, schemes } = await start(name);
// In one browser every two of colours, width and language meet; in the other a narrow one of each
// kind is enough.
const shapes = name === "chromium"
  ? schemes.flatMap((colours, n) => [
    { colours, width: 320, visit, languages: n === 0 ? ["de", "en"] : ["en"] },
    { colours, width: 1280, visit, languages: n === 0 ? ["en"] : ["de"] },
  ])
  : [{ colours: "dark", width: 320, visit, languages: ["de"] }];
const pages = ["/desk", "/desk/relays/relay-1", "/desk/history", "/desk/explain"];

async function operator(wishes, enter = visit) {
  const context = await enter({ locale: "en-GB", viewport: { width: 1280, height: 900 }, ...wishes });
  const page = await context.newPage();
  const complaints = [];
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("console", (message) => {
    if (message.type() === "error") complaints.push(message.text());
  });
  page.on("request", (request) => {
    if (new URL(request.url()).origin !== balancer) complaints.push(`asks ${request.url()}`);
  });
  return { page, context, complaints };
}

/** With the keyboard alone. */
async function signIn(page) {
  await page.goto(`${balancer}/desk`);
  await page.focus("#user");
  await page.keyboard.type("operator");
  await page.keyboard.press("Tab");
  await page.keyboard.type(password);
  await page.keyboard.press("Enter");
  await page.waitForURL(`${balancer}/desk`);
}

async function check(page, shape) {
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert.ok(wide <= 0, `${shape}: ${wide} px wider than the window`);
  assert.equal(await page.evaluate(() => document.scripts.length), 0, shape);
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => window.axe.run());
  assert.deepEqual(violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)]), [], shape);
  await page.screenshot({ path: `${folder}/${shape}.png`, fullPage: true });
}

// Firefox asks for an icon that no page names, the checker brings a style of its own, and what a
// browser says of an answer of 400 is what was wanted.
function ours(complaints) {
  const isOurs = (complaint) => !/favicon\.ico|an inline style|status of 400/.test(complaint);
  return complaints.filter(isOurs);
}

/** Each line of the last day goes over the whole picture, and what it shows stands beside it. */
async function checkHistory(page) {
  const plots = await page.evaluate(() => [...document.querySelectorAll("figure")].map((figure) => ({
    said: figure.querySelector(".legend").textContent,
    lines: [...figure.querySelectorAll("path.line")].map((line) => {
      const { width, height } = line.getBBox();
      return { width, height };
    }),
    whole: figure.querySelector("svg").viewBox.baseVal.width,
  })));
  assert.deepEqual(plots.map(({ lines }) => lines.length), [2, 1, 1, 1], JSON.stringify(plots));
  for (const { lines, whole } of plots) {
    for (const { width, height } of lines) assert.ok(width > 0.8 * whole && height > 1, JSON.stringify(plots));
  }
  assert.ok(plots[0].said.includes("1439"), plots[0].said);
}

async function look() {
  const seen = [];
  const other = name === "firefox" ? await start(name, "light") : null;
  if (other !== null) shapes.push({ colours: "light", width: 320, visit: other.visit, languages: ["en"] });
  for (const { colours: colorScheme, width, visit: enter, languages } of shapes) {
    const { page, context, complaints } = await operator({ colorScheme, viewport: { width, height: 800 } }, enter);
    for (const language of languages) {
      const shape = (path) => `${name}-${language}-${colorScheme}-${width}${path.replaceAll("/", "-")}`;
      if (language === languages[0]) {
        await page.goto(`${balancer}/desk/enter?lang=${language}`);
        await check(page, shape("/enter"));
        await signIn(page);
      } else {
        await page.goto(`${balancer}/desk`);
        await Promise.all([page.waitForNavigation(), page.click(`a[hreflang=${language}]`)]);
      }
      for (const path of pages) {
        await page.goto(balancer + path);
        assert.equal(await page.evaluate(() => document.documentElement.lang), language);
        await check(page, shape(path));
        if (path === "/desk/history") await checkHistory(page);
        seen.push(shape(path));
      }
      await page.fill("#address", "192.0.2.7");
      await page.press("#address", "Enter");
      await page.waitForSelector("tr.chosen");
      assert.equal(page.url(), `${balancer}/desk/explain`, "no address in a link");
      await check(page, shape("/desk/explain/answer"));
    }
    assert.deepEqual(ours(complaints), []);
    await context.close();
  }
  await other?.browser.close();
  return seen;
}

/** Each button by the keyboard, and each does what it says. */
async function act() {
  const { page, context, complaints } = await operator({});
  await signIn(page);
  await page.goto(`${balancer}/desk/relays/relay-1`);
  const state = async () => (await page.textContent("dd.state")).trim();
  const press = async (act) => {
    await page.focus(`button[value=${act}]`);
    await Promise.all([page.waitForNavigation(), page.keyboard.press("Enter")]);
  };
  assert.equal(await state(), "open");
  for (const [on, is, off] of [
    ["disable", "disabled", "enable"],
    ["drain", "draining", "undrain"],
    ["quarantine", "in quarantine", "release"],
  ]) {
    await press(on);
    assert.equal(await state(), is);
    await press(off);
    assert.equal(await state(), "open");
  }
  await page.fill("#bias_km", "1e9");
  await press("dials");
  assert.equal(await page.getAttribute(".notice", "role"), "alert");
  await check(page, `${name}-mistake`);
  await page.fill("#bias_km", "-50");
  await page.fill("#slots_max", "7");
  await press("dials");
  assert.equal(await page.inputValue("#bias_km"), "-50");
  await page.goto(`${balancer}/desk`);
  await page.fill("#name", "paris-1");
  await Promise.all([page.waitForNavigation(), page.press("#name", "Enter")]);
  const token = (await page.textContent("dd code")).trim();
  assert.equal(token.length, 32);
  assert.equal(await page.locator("a[hreflang]").count(), 0, "no link loses the token");
  await check(page, `${name}-added`);
  await page.goto(`${balancer}/desk/relays/paris-1`);
  assert.ok(!(await page.content()).includes(token), "a token is shown once");
  await page.check("#sure");
  await press("remove");
  assert.equal(page.url(), `${balancer}/desk`);
  assert.deepEqual(ours(complaints), []);
  await Promise.all([page.waitForNavigation(), page.click("button.quiet")]);
  await page.goto(`${balancer}/desk`);
  assert.equal(page.url(), `${balancer}/desk/enter`, "signed out");
  await context.close();
}

try {
  const shapes = await look();
  await act();
  console.log(JSON.stringify({ shapes }));
} finally {
  await browser.close();
}
