// One question and what comes of it: texts, reasoning, tools, what a person is asked, and the end.

import { ApprovalCard, QuestionCard, ToolCard } from './cards.js';
import { announce, clone, copy, place, showPlainly } from './dom.js';
import { getInTurn, post, sentence } from './api.js';
import { sponsoredCard } from './sponsored.js';
import { TextPart } from './text_part.js';

const STATES = {
  waiting_approval: 'Waiting for your approval.',
  waiting_input: 'Waiting for your answer.',
  compacting: 'Summing up what was said so far, to make room.',
  cancelling: 'Stopping.',
  steered: 'Your message goes into the next step.',
  running: 'At work.',
};
const HELD = {
  moderation_check: 'Your message is being checked before it is answered.',
  moderation_review: 'Somebody looks at your message before it is answered.',
};
const PAUSED = { budget_tokens: 'Paused: its tokens are used up.', budget_cost: 'Paused: its money is used up.' };
const LONG = 500; // characters
const ENDS = { cancelled: 'Stopped.', timed_out: 'Stopped: it took too long. Ask for less at once.' };

export const costText = (dollars) => (dollars ? `$${dollars < 0.01 ? dollars.toFixed(4) : dollars.toFixed(2)}` : '');
export const countText = (count) => `${count.toLocaleString('en')} ${count === 1 ? 'token' : 'tokens'}`;

export class Turn {
  #parts = new Map(); // texts and tools by their id
  #cards = new Map(); // approvals and questions by their id
  #open = null; // the text that is being written
  #answerId = null;
  #thumb = null;
  #isSponsored = false;

  constructor(runId = null) {
    this.runId = runId;
    this.element = clone('turn');
    place(this.element, 'copy').addEventListener('click', (event) => copy(this.answer, event.target));
    place(this.element, 'up').addEventListener('click', () => this.#rate('up'));
    place(this.element, 'down').addEventListener('click', () => this.#rate('down'));
    place(this.element, 'comment').addEventListener('submit', (event) => this.#comment(event));
    place(this.element, 'failure').querySelector('button').addEventListener('click', () => this.#retry());
  }

  get answer() {
    const texts = [...this.#parts.values()].filter((part) => part.kind === 'text');
    return texts.map((part) => part.text).join('\n\n');
  }

  /** Offsets of what is being written, for a reader that goes on after a lost connection. */
  offsets() {
    const open = [...this.#parts.values()].filter((part) => part.isOpen);
    return Object.fromEntries(open.map((part) => [part.id, part.length]));
  }

  ask(questions) {
    place(this.element, 'questions').replaceChildren(...questions.map((question) => bubble(question)));
  }

  // Live

  /** False when text in front of this piece is missing. */
  write(kind, { part_id: id, token, offset }) {
    let part = this.#parts.get(id);
    if (!part) {
      this.#open?.end();
      part = this.#open = this.#add(new TextPart(id, kind));
    }
    this.state('');
    return part.append(token, offset);
  }

  tool(data) {
    const id = data.tool_call_id;
    const card = this.#parts.get(id) ?? this.#add(new ToolCard(id));
    this.#open?.end();
    this.#open = null;
    this.state('');
    if (data.phase === 'progress') return card.progress(data.output, data.offset);
    card.describe({ tool: data.action, arguments: data.arguments });
    return data.phase === 'start' ? card.status('running') : card.end(data);
  }

  approval({ phase, approval }) {
    let card = this.#cards.get(approval.id);
    if (!card) {
      card = new ApprovalCard(approval.id);
      this.#addCard(card);
      if (phase === 'asked') card.load();
      announce('The agent asks for an approval.');
    }
    if (phase !== 'asked') card.decided(approval);
  }

  question({ phase, question }) {
    let card = this.#cards.get(question.id);
    if (!card) {
      card = new QuestionCard(question);
      this.#addCard(card);
      announce('The agent asks you something.');
    }
    if (phase !== 'asked') card.ended(question);
  }

  status(data) {
    if (data.status === 'interrupted') {
      this.#parts.get(data.part_id)?.element.remove();
      this.#parts.delete(data.part_id);
      this.#open = null;
      this.state('The answer broke off. It is begun anew.');
    } else if (data.status === 'queued') {
      const free = HELD[data.reason] ?? 'Waiting for a free worker.';
      this.state(data.position ? `Waiting: ${data.position} before this one.` : free);
    } else if (data.status === 'retrying') {
      const seconds = Math.ceil(data.delay_seconds ?? 1);
      this.state(`The model did not answer (${data.message}). Next try in ${seconds} s.`);
    } else if (data.status === 'paused') {
      this.state(PAUSED[data.reason] ?? 'Paused.');
    } else {
      this.state(STATES[data.status] ?? '');
    }
  }

  state(text) {
    const line = place(this.element, 'state');
    showPlainly(line, text);
    line.hidden = !text;
  }

  // As stored

  /** Brings what is shown to what the server has; what is there already stays where it is. */
  settle(stored, { isOver = true } = {}) {
    this.#answerId = stored.answer_id;
    if (stored.questions.length) this.ask(stored.questions);
    this.#note(stored.notes);
    for (const item of stored.items) this.#settleItem(item, isOver);
    if (isOver) this.#over(stored);
  }

  /** A moderator has decided about a message of it. What was hidden or shown again is drawn anew. */
  moderated(stored, { isOver, hidden }) {
    if (isOver && hidden !== undefined) {
      this.#parts.clear();
      place(this.element, 'items').replaceChildren();
    }
    if (isOver) {
      this.settle(stored);
    } else {
      this.ask(stored.questions);
      this.#note(stored.notes);
    }
  }

  /** What moderators have to say about it. */
  #note(notes) {
    const texts = notes.map((note) => {
      const text = new TextPart(note.id, 'text');
      text.settle(note);
      return text.element;
    });
    place(this.element, 'notes').replaceChildren(...texts);
  }

  #settleItem(item, isOver) {
    const known = this.#parts.get(item.id);
    if (item.kind !== 'tool') {
      (known ?? this.#add(new TextPart(item.id, item.kind))).settle(item);
      return;
    }
    const card = known ?? this.#add(new ToolCard(item.id));
    if (!known || !item.status) card.describe(item);
    if (item.status) card.end(item);
    else card.status(isOver ? 'unknown' : 'waiting');
  }

  /** Of a run that goes on: the text that is being written, and tools at work. */
  goOn({ run, parts, calls, approvals, questions }) {
    this.state(STATES[run.status] ?? (run.status === 'paused' ? 'Paused.' : ''));
    for (const call of calls) {
      const card = this.#parts.get(call.tool_call_id) ?? this.#add(new ToolCard(call.tool_call_id));
      card.describe(call);
      card.status(call.status === 'started' ? 'running' : 'waiting');
    }
    for (const { part_id: id, kind, text } of parts) {
      if (kind === 'output') {
        this.#parts.get(id)?.progress(text, 0);
      } else {
        this.#open = this.#add(new TextPart(id, kind));
        this.#open.append(text, 0);
        this.state('');
      }
    }
    for (const approval of approvals) {
      const card = new ApprovalCard(approval.id);
      card.show(approval);
      this.#addCard(card);
    }
    for (const question of questions) this.#addCard(new QuestionCard(question));
  }

  /** The run has ended: what is missing is read from the server. */
  async end(data) {
    this.#open?.end();
    this.#open = null;
    this.#answerId = data.message_id ?? this.#answerId;
    this.#over(data);
    announce(data.status === 'completed' ? 'The answer is complete.' : 'The answer has ended.');
    try {
      const { turn } = await getInTurn(`/chat/data/runs/${this.runId}`);
      if (turn) this.settle({ ...turn, status: data.status, error: data.error ?? turn.error });
    } catch {
      // What has come is shown; a reload brings the rest.
    }
  }

  #over({ status, error, usage, thumb, sponsored }) {
    this.state(ENDS[status] ?? '');
    const failure = place(this.element, 'failure');
    failure.hidden = status !== 'failed';
    if (status === 'failed') {
      const text = error ? sentence(error.message, error.kind) : 'This did not work.';
      showPlainly(failure.querySelector('p'), text);
    }
    place(this.element, 'after').hidden = !this.answer && status !== 'completed';
    if (usage?.total_tokens) {
      const cost = costText(usage.cost_usd);
      place(this.element, 'usage').textContent = [countText(usage.total_tokens), cost].filter(Boolean).join(' · ');
    }
    if (thumb) this.#showThumb(thumb);
    if (sponsored?.length && !this.#isSponsored) this.#showSponsored(sponsored);
  }

  /** Behind the answer, never in it. Taken away once, it does not come back. */
  #showSponsored(units) {
    this.#isSponsored = true;
    place(this.element, 'sponsored').append(...units.map((unit) => sponsoredCard(unit, this.#answerId)));
  }

  #add(part) {
    this.#parts.set(part.id, part);
    place(this.element, 'items').append(part.element);
    return part;
  }

  #addCard(card) {
    this.#open?.end();
    this.#open = null;
    this.#cards.set(card.id, card);
    place(this.element, 'items').append(card.element);
  }

  // What the reader thinks of it

  #showThumb(thumb) {
    this.#thumb = thumb;
    for (const name of ['up', 'down']) {
      place(this.element, name).setAttribute('aria-pressed', String(thumb.rating === name));
    }
    place(this.element, 'comment').querySelector('textarea').value = thumb.comment;
  }

  async #rate(rating, comment = this.#thumb?.comment ?? '') {
    const form = place(this.element, 'comment');
    try {
      this.#showThumb(await post(`/api/v1/messages/${this.#answerId}/feedback`, { rating, comment }));
      place(form, 'asks').textContent = rating === 'up' ? 'What was good? (optional)' : 'What was wrong? (optional)';
      form.hidden = false;
      return true;
    } catch (error) {
      this.state(error.message);
      return false;
    }
  }

  async #comment(event) {
    event.preventDefault();
    const form = event.target;
    if (await this.#rate(this.#thumb.rating, form.querySelector('textarea').value)) {
      form.hidden = true;
      this.state('Thank you. Your comment is saved.');
    }
  }

  async #retry() {
    try {
      await post(`/api/v1/runs/${this.runId}/retry`);
      place(this.element, 'failure').hidden = true;
    } catch (error) {
      showPlainly(place(this.element, 'failure').querySelector('p'), error.message);
    }
  }
}

function bubble({ text, images = [], files = [] }) {
  const element = clone('question-bubble');
  const given = place(element, 'given');
  place(element, 'text').textContent = text;
  if (text.length > LONG) place(element, 'text').tabIndex = 0; // it scrolls, by keyboard too
  for (const { id, filename } of images) {
    const row = document.createElement('li');
    const image = document.createElement('img');
    image.src = `/api/v1/artifacts/${id}`;
    image.alt = filename;
    image.loading = 'lazy';
    row.append(image);
    given.append(row);
  }
  for (const name of files) {
    const row = document.createElement('li');
    showPlainly(row, name);
    given.append(row);
  }
  given.hidden = !given.children.length;
  return element;
}
