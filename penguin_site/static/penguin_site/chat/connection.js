// The socket: opened again whenever it is lost. What was missed is asked for by the caller, in `opened`.

const ADDRESS = `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/api/v1/chat/stream`;
const SIGNED_OUT = 4401;
const FIRST_DELAY = 300;
const LONGEST_DELAY = 5000;
const LOOK_EVERY = 15000;
const SILENCE = 10000;

/** `on.opened()`, `on.frame(event, data)`, `on.state('online' | 'offline' | 'signed-out')`. */
export class Connection {
  #socket = null;
  #delay = FIRST_DELAY;
  #timer = 0;
  #heard = 0;
  #ended = false;

  constructor(on) {
    this.on = on;
    window.addEventListener('online', () => this.#again(0));
    window.addEventListener('offline', () => this.#lost());
    document.addEventListener('visibilitychange', () => { if (!document.hidden) this.#look(); });
    setInterval(() => this.#look(), LOOK_EVERY);
    this.#open();
  }

  get isOpen() {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  /** False when there is no connection; what matters is sent again in `opened`. */
  send(frame) {
    if (!this.isOpen) return false;
    this.#socket.send(JSON.stringify(frame));
    return true;
  }

  #open() {
    clearTimeout(this.#timer);
    const socket = new WebSocket(ADDRESS, ['penguin.v1']);
    this.#socket = socket;
    socket.onopen = () => {
      this.#delay = FIRST_DELAY;
      this.#heard = Date.now();
      this.on.state('online');
      this.on.opened();
    };
    socket.onmessage = (message) => {
      if (socket !== this.#socket) return;
      this.#heard = Date.now();
      const { event, data } = JSON.parse(message.data);
      this.on.frame(event, data);
    };
    socket.onclose = (close) => {
      if (socket !== this.#socket) return;
      if (close.code === SIGNED_OUT) {
        this.#ended = true;
        this.on.state('signed-out');
      } else {
        this.#lost();
      }
    };
  }

  #lost() {
    if (this.#ended) return;
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
    this.on.state('offline');
    this.#again(this.#delay * (0.75 + Math.random() / 2));
    this.#delay = Math.min(this.#delay * 2, LONGEST_DELAY);
  }

  #again(delay) {
    clearTimeout(this.#timer);
    if (this.#ended || this.#socket) return;
    this.#timer = setTimeout(() => this.#open(), delay);
  }

  /** A connection that nobody has closed may be gone all the same: a server that does not answer is not there. */
  #look() {
    if (!this.isOpen) return;
    const asked = Date.now();
    this.send({ type: 'ping' });
    setTimeout(() => { if (this.isOpen && this.#heard < asked) this.#lost(); }, SILENCE);
  }
}
