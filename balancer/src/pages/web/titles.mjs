// Asks the relay that plays what is playing: titles that an operator sets stand beside the stream,
// not in it, and in MP3 and AAC there are no others.
//
// The page that is asked for is one that every relay has, an Icecast, too.

/** So often, by chance a little more or less. */
const ASK_MS = 10_000;
const TITLE_MS_MAX = 5000;

/** What a relay says of a mount: `{ title, artist }`; null when it says nothing of it. */
export function titleIn(status, path) {
  const sources = [status?.icestats?.source ?? []].flat();
  const isIt = ({ listenurl }) => URL.canParse(listenurl) && new URL(listenurl).pathname === path;
  const source = sources.find((one) => one !== null && typeof one === "object" && isIt(one));
  if (source === undefined) return null;
  const word = (value) => (typeof value === "string" && value !== "" ? value : undefined);
  return { title: word(source.title), artist: word(source.artist) };
}

/** What plays on one mount, as its relay says. `tell({ title, artist })` hears of it. */
export class Titles {
  #tell;
  #stop = null;
  #relay = undefined;

  constructor(tell) {
    this.#tell = tell;
  }

  /** From now on this relay is asked; null: one that the balancer would lead us to. */
  follow(mount, relay) {
    if (this.#stop !== null && this.#relay === relay) return;
    this.stop();
    const stop = new AbortController();
    [this.#stop, this.#relay] = [stop, relay];
    this.#run(mount, relay, stop.signal);
  }

  stop() {
    this.#stop?.abort();
    this.#stop = null;
  }

  async #run(mount, relay, signal) {
    let found = relay;
    while (!signal.aborted) {
      const before = found;
      try {
        found ??= await led(mount, signal);
        const title = await ask(found, new URL(mount).pathname, signal);
        if (title !== null && !signal.aborted) this.#tell(title);
      } catch {
        // It is away, or is no relay that knows: the sound does not depend on it.
        found = relay;
        // One that answered until now is gone: who plays instead is known at once.
        if (before !== found) continue;
      }
      if (signal.aborted) return;
      await new Promise((resolve) => {
        const timer = setTimeout(resolve, ASK_MS * (0.8 + 0.4 * Math.random()));
        signal.addEventListener("abort", () => {
          clearTimeout(timer);
          resolve();
        }, { once: true });
      });
    }
  }
}

/** A relay that has the mount; nobody takes a place there. */
async function led(mount, signal) {
  return new URL((await fetched(mount, "HEAD", signal)).url).origin;
}

async function ask(relay, path, signal) {
  const url = `${relay}/status-json.xsl?mount=${encodeURIComponent(path)}`;
  return titleIn(await (await fetched(url, "GET", signal)).json(), path);
}

async function fetched(url, method, signal) {
  const answer = await fetch(url, {
    method,
    signal: AbortSignal.any([signal, AbortSignal.timeout(TITLE_MS_MAX)]),
    cache: "no-store",
    credentials: "omit",
    referrerPolicy: "no-referrer",
  });
  if (!answer.ok) throw new Error(`status ${answer.status}`);
  return answer;
}
