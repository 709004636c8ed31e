// The messages of the conversation: those that are stored, and what comes live.

import { announce, find, notice, showPlainly } from './dom.js';
import { get, getInTurn, pageData } from './api.js';
import { Turn } from './turn.js';

const NEAR_END = 80; // pixels
const SCROLLING = /^(Page|Arrow)(Up|Down)$|^(Home|End| )$/;
const INTENT = 400; // milliseconds after which a movement is not the reader's any more

export class Transcript {
  #turns = new Map(); // by run, without one (copied turns) by number
  #active = new Set(); // runs that have not ended, in their order
  #box = find('#transcript');
  #list = find('#turns');
  #isAtEnd = true;
  #height = 0;
  #room = 0;
  #touched = 0;
  #before = null;
  #sent = null; // the turn of a message that the server has not confirmed

  /** `on.activity()` when a run begins or ends; `on.asked()`, `on.ended()`; `on.gap()`: text is missing, read it all again. */
  constructor(on) {
    this.on = on;
    this.cursor = null;
    this.#box.addEventListener('scroll', () => this.#scrolled());
    const touch = () => { this.#touched = Date.now(); };
    for (const name of ['wheel', 'touchmove']) this.#box.addEventListener(name, touch, { passive: true });
    this.#box.addEventListener('keydown', ({ key }) => { if (SCROLLING.test(key)) touch(); });
    this.#box.addEventListener('pointerdown', ({ target }) => { if (target === this.#box) touch(); }); // its bar
    new ResizeObserver(() => this.#follow()).observe(this.#list);
    new ResizeObserver(() => this.#follow()).observe(this.#box);
    find('#to-end').addEventListener('click', () => this.toEnd());
    find('#earlier').addEventListener('click', () => this.#showEarlier());
  }

  get isEmpty() {
    return !this.#list.children.length;
  }

  /** The run that is at work, or the next one. */
  get activeRun() {
    return this.#active.values().next().value ?? null;
  }

  /** What an `attach` frame needs to go on from here. */
  position() {
    const parts = [...this.#active].map((runId) => this.#turns.get(runId).offsets());
    return { after: this.cursor, parts: Object.assign({}, ...parts) };
  }

  show(state) {
    this.#turns.clear();
    this.#active.clear();
    this.#list.replaceChildren();
    this.cursor = state.cursor;
    this.#setBefore(state.before);
    const open = [state.active_run, ...state.queued_runs].filter(Boolean);
    for (const stored of state.turns) this.#addStored(stored, open.some((run) => run.id === stored.run_id));
    for (const run of open) {
      const turn = this.#turns.get(run.id) ?? this.#add(new Turn(run.id));
      const isMine = (thing) => thing.run_id === run.id;
      this.#active.add(run.id);
      turn.goOn({
        run,
        parts: state.open_parts.filter(isMine),
        calls: state.open_calls.filter(isMine),
        approvals: state.approvals.filter(isMine),
        questions: state.questions.filter(isMine),
      });
      if (run.queue_position || run.queue_reason) {
        turn.status({ status: 'queued', position: run.queue_position, reason: run.queue_reason });
      }
    }
    if (this.#sent) this.#list.append(this.#sent.element);
    this.toEnd();
    this.on.activity();
  }

  // A message of one's own

  /** Shows it at once; `start` or `refused` say what became of it. */
  sent(question) {
    this.#sent = new Turn();
    this.#sent.ask([question]);
    this.#sent.state('Sending.');
    this.#list.append(this.#sent.element);
    this.toEnd();
  }

  refused() {
    this.#sent?.element.remove();
    this.#sent = null;
  }

  // Frames

  /** One frame about a run of this conversation. */
  take(event, data) {
    if (data.cursor) this.cursor = data.cursor;
    if (event === 'start') {
      this.#begin(data.run_id);
      return;
    }
    if (event === 'moderated') {
      this.#moderated(data).then(() => this.on.ended());
      return;
    }
    const turn = this.#turns.get(data.run_id);
    if (!turn || !this.#active.has(data.run_id)) return;
    if (event === 'token' || event === 'reasoning') {
      if (!turn.write(event === 'token' ? 'text' : 'reasoning', data)) this.on.gap();
    } else if (event === 'tool') turn.tool(data);
    else if (event === 'approval') turn.approval(data);
    else if (event === 'question') turn.question(data);
    else if (event === 'status') this.#status(turn, data);
    else if (event === 'complete') this.#end(turn, data);
  }

  #status(turn, data) {
    turn.status(data);
    if (data.status.startsWith('waiting')) this.on.asked();
  }

  #begin(runId) {
    if (this.#turns.has(runId)) return;
    const own = this.#sent;
    this.#sent = null;
    const turn = own ?? new Turn();
    turn.runId = runId;
    turn.state('At work.');
    this.#add(turn);
    this.#active.add(runId);
    this.on.activity();
    this.#readQuestion(turn);
  }

  /** Another tab or program may have asked: the server knows what. */
  async #readQuestion(turn) {
    try {
      const { turn: stored } = await getInTurn(`/chat/data/runs/${turn.runId}`);
      if (stored?.questions.length) turn.ask(stored.questions);
    } catch {
      // The end of the run brings it.
    }
  }

  /** A message was hidden, shown again or warned about: its turn is read again. */
  async #moderated(data) {
    try {
      const { turn: stored } = await getInTurn(pageData(this.sessionId, `/messages/${data.message_id}`));
      const turn = stored && this.#turns.get(stored.run_id ?? stored.turn);
      if (!turn) return; // of a page that is not shown yet
      turn.moderated(stored, { isOver: !this.#active.has(stored.run_id), hidden: data.hidden });
      announce(moderation(data));
    } catch {
      this.on.gap();
    }
  }

  #end(turn, data) {
    this.#active.delete(data.run_id);
    this.on.activity();
    turn.end(data).then(() => this.on.ended());
  }

  // Stored turns

  #add(turn, number = null) {
    this.#turns.set(turn.runId ?? number, turn);
    this.#list.append(turn.element);
    return turn;
  }

  #addStored(stored, isOpen) {
    const turn = this.#add(new Turn(stored.run_id), stored.turn);
    turn.settle(stored, { isOver: !isOpen });
    return turn;
  }

  async #showEarlier() {
    const button = find('#earlier');
    button.disabled = true;
    try {
      const page = await get(pageData(this.sessionId, `/earlier?before=${this.#before}`));
      const height = this.#box.scrollHeight;
      const first = this.#list.firstChild;
      for (const stored of page.turns) this.#list.insertBefore(this.#addStored(stored, false).element, first);
      this.#box.scrollTop += this.#box.scrollHeight - height;
      this.#setBefore(page.before);
    } catch (error) {
      notice(error.message);
    }
    button.disabled = false;
  }

  #setBefore(before) {
    this.#before = before;
    find('#earlier').hidden = before === null;
  }

  // Following the text

  toEnd() {
    this.#isAtEnd = true;
    this.#follow();
  }

  #follow() {
    if (this.#isAtEnd) this.#box.scrollTop = this.#box.scrollHeight;
    this.#look();
  }

  /** Text that comes or goes, here or around, moves the page, too: only a reader's own movement ends the following. */
  #scrolled() {
    const isAsItWas = this.#box.scrollHeight === this.#height && this.#box.clientHeight === this.#room;
    if (isAsItWas || Date.now() - this.#touched < INTENT || !this.#isAtEnd) this.#look();
  }

  #look() {
    const below = this.#box.scrollHeight - this.#box.clientHeight - this.#box.scrollTop;
    this.#height = this.#box.scrollHeight;
    this.#room = this.#box.clientHeight;
    this.#isAtEnd = below < NEAR_END;
    find('#to-end').hidden = this.#isAtEnd;
  }
}

function moderation({ hidden, warning }) {
  if (hidden !== undefined) return hidden ? 'A moderator has hidden a message.' : 'A hidden message is shown again.';
  return warning ? 'A moderator has a warning for you.' : 'A warning was taken back.';
}

/** The agent's list. */
export function showTodos(todos) {
  const box = find('#todos');
  const done = todos.filter((todo) => todo.status === 'completed').length;
  const current = todos.find((todo) => todo.status === 'in_progress');
  box.hidden = !todos.length || done === todos.length;
  showPlainly(find('summary', box), `${done} of ${todos.length} done${current ? `: ${current.content}` : ''}`);
  find('ul', box).replaceChildren(...todos.map((todo) => {
    const row = document.createElement('li');
    row.dataset.status = todo.status;
    showPlainly(row, todo.content);
    return row;
  }));
}
