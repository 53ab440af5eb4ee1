// What is put into the page to hear what comes out of it. Both functions run in the browser.

/**
 * In the audio thread: is the tone ever interrupted? A sine obeys x[n] = 2 cos(w) x[n-1] - x[n-2];
 * where something is lost or doubled it does not, not even where Vorbis blends one phase into
 * another: a page left out gives 8e-5, the encoder's own noise 4e-6. Zeros that a busy machine puts in between are
 * counted, and the sine has to go on behind them as if they were not there.
 */
export function worklet() {
  const WRONG_MAX = 2e-5;
  class Ears extends AudioWorkletProcessor {
    constructor({ processorOptions: { hertz, beginning } }) {
      super();
      this.cosine = 2 * Math.cos((2 * Math.PI * hertz) / sampleRate);
      this.beginning = beginning * sampleRate;
      this.account = { samples: 0, zeros: 0, worst: 0, peak: 0, clicks: [] };
      this.port.onmessage = () => this.port.postMessage(this.account);
    }

    process([[block]]) {
      for (const sample of block ?? []) this.hear(sample);
      return true;
    }

    hear(sample) {
      const { account } = this;
      if (sample === 0) {
        if (account.samples > this.beginning) account.zeros += 1;
        return;
      }
      account.samples += 1;
      const wrong = Math.abs(sample - this.cosine * this.last + this.before);
      [this.before, this.last] = [this.last, sample];
      // Firefox sets its clock in the first seconds.
      if (account.samples <= this.beginning) return;
      account.worst = Math.max(account.worst, wrong);
      account.peak = Math.max(account.peak, Math.abs(sample));
      if (wrong > WRONG_MAX && account.clicks.length < 20) account.clicks.push([account.samples / sampleRate, wrong]);
    }
  }
  registerProcessor("ears", Ears);
}

/** In the page: `window.ears()` gives the account, also of an element whose time stands still. */
export async function listen({ hertz, beginning, script }) {
  const sound = document.getElementById("sound");
  const page = { longestStillMs: 0, waits: 0 };
  let [time, since] = [0, performance.now()];
  setInterval(() => {
    const now = sound.currentTime;
    if (now > time) since = performance.now();
    else if (time > 0) page.longestStillMs = Math.max(page.longestStillMs, performance.now() - since);
    time = now;
  }, 20);
  sound.addEventListener("waiting", () => {
    if (time > beginning) page.waits += 1;
  });
  const context = new AudioContext({ sampleRate: 48_000 });
  sound.addEventListener("play", () => context.resume());
  await context.audioWorklet.addModule(script);
  const processorOptions = { hertz, beginning };
  const node = new AudioWorkletNode(context, "ears", { channelCount: 1, channelCountMode: "explicit", processorOptions });
  context.createMediaElementSource(sound).connect(node);
  node.connect(context.destination);
  window.ears = () => new Promise((resolve) => {
    node.port.onmessage = ({ data }) => resolve({ ...page, ...data });
    node.port.postMessage(null);
  });
}
