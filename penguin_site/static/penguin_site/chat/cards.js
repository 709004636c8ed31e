// Cards of a run: tool calls, approvals, questions.

import { announce, clone, find, place, showPlainly } from './dom.js';
import { get, post } from './api.js';

const OUTCOMES = {
  running: 'running', waiting: 'waiting', completed: 'done', error: 'failed', denied: 'denied',
  cancelled: 'cancelled', unknown: 'outcome unknown',
};
const MOST_LIVE = 20000; // characters of output that are shown while it comes

const asText = (value) => (typeof value === 'string' ? value : JSON.stringify(value, null, 2));

/** What a call is about, in a few words: its command, path, or first text. */
function about(given) {
  if (!given || typeof given !== 'object') return '';
  const found = given.command ?? given.path ?? Object.values(given).find((value) => typeof value === 'string');
  return typeof found === 'string' ? found.slice(0, 160) : '';
}

export class ToolCard {
  #output = document.createTextNode('');
  #length = 0;

  constructor(id) {
    this.id = id;
    this.element = clone('tool-card');
    this.element.dataset.part = id;
    place(this.element, 'output').append(this.#output);
  }

  /** `{tool, arguments}` as far as they are known. */
  describe({ tool, arguments: given }) {
    showPlainly(place(this.element, 'name'), tool);
    showPlainly(place(this.element, 'about'), about(given));
    const isEmpty = !given || (typeof given === 'object' && !Object.keys(given).length);
    place(this.element, 'given').hidden = isEmpty;
    showPlainly(place(this.element, 'arguments'), asText(given ?? {}));
  }

  status(status) {
    this.element.dataset.status = status;
    place(this.element, 'outcome').textContent = OUTCOMES[status] ?? status;
  }

  progress(output, offset) {
    if (offset > this.#length) this.#output.appendData('\n[...]\n');
    const fresh = [...output].slice(Math.max(this.#length - offset, 0));
    this.#length = Math.max(this.#length, offset + [...output].length);
    const text = this.#output.data + fresh.join('');
    this.#output.data = text.length > MOST_LIVE ? `[...]\n${text.slice(-MOST_LIVE / 2)}` : text;
    place(this.element, 'made').hidden = false;
    this.element.open = true;
  }

  end({ status, result, truncated, artifact_id: whole }) {
    this.status(status);
    showPlainly(place(this.element, 'output'), (result ?? '').replaceAll('\r\n', '\n'));
    place(this.element, 'made').hidden = !result;
    place(this.element, 'cut').hidden = !truncated;
    const link = place(this.element, 'whole');
    link.hidden = !whole;
    if (whole) link.href = `/api/v1/artifacts/${whole}`;
    this.element.open = false;
  }
}

function showDiff(element, diff) {
  const lines = diff.replace(/\n$/, '').split('\n').map((text) => {
    const line = document.createElement('span');
    if (/^(\+\+\+|---|diff |rename )/.test(text)) line.className = 'file';
    else if (text.startsWith('@@')) line.className = 'hunk';
    else if (text.startsWith('+')) line.className = 'added';
    else if (text.startsWith('-')) line.className = 'removed';
    showPlainly(line, `${text}\n`);
    return line;
  });
  element.replaceChildren(...lines);
  element.hidden = false;
}

const ASKS = {
  execute: 'Run this command?', write: 'Change these files?', delete: 'Delete this?', network: 'Use the network?',
  read: 'Read this?',
};

export class ApprovalCard {
  constructor(id) {
    this.id = id;
    this.digest = null;
    this.element = clone('approval-card');
    this.element.dataset.approval = id;
    this.#on('once', () => this.#decide('approve', { scope: 'once' }));
    this.#on('session', () => this.#decide('approve', { scope: 'session' }));
    this.#on('deny', () => this.#decide('deny', { feedback: place(this.element, 'feedback').value }));
    place(this.element, 'form').addEventListener('submit', (event) => event.preventDefault());
    this.#enable(false);
  }

  /** Whole, from REST: events may have cut it, and one decides on what is shown. */
  async load() {
    try {
      this.show(await get(`/api/v1/approvals/${this.id}`));
    } catch (error) {
      this.#say(error.message);
    }
  }

  show(approval) {
    this.digest = approval.digest;
    const title = ASKS[approval.operation] ?? 'Carry this out?';
    showPlainly(place(this.element, 'title'), `${title} (${approval.tool_name})`);
    showPlainly(place(this.element, 'reason'), approval.reason);
    showPlainly(place(this.element, 'resource'), approval.resource);
    showPlainly(place(this.element, 'arguments'), asText(approval.edited_arguments ?? approval.arguments));
    if (approval.diff) showDiff(place(this.element, 'diff'), approval.diff);
    if (approval.status !== 'pending') this.decided(approval);
    else this.#enable(true);
  }

  decided(approval) {
    const who = approval.resolved_by ? ` by ${approval.resolved_by}` : '';
    const why = approval.feedback ? `: ${approval.feedback}` : '.';
    place(this.element, 'form').hidden = true;
    this.element.dataset.status = approval.status;
    this.#say({
      approved: `Approved${who}.`,
      denied: `Denied${who}${why}`,
      expired: 'Nobody decided in time, so it was not done.',
      cancelled: 'Not needed any more: the run was stopped.',
      superseded: 'Not needed any more.',
    }[approval.status] ?? approval.status);
  }

  #on(name, act) {
    place(this.element, name).addEventListener('click', act);
  }

  #enable(on) {
    for (const button of this.element.querySelectorAll('form button')) button.disabled = !on;
  }

  #say(text) {
    const outcome = place(this.element, 'outcome');
    showPlainly(outcome, text);
    outcome.hidden = false;
  }

  async #decide(what, body) {
    this.#enable(false);
    try {
      this.decided(await post(`/api/v1/approvals/${this.id}/${what}`, { ...body, digest: this.digest }));
      announce(what === 'approve' ? 'Approved' : 'Denied');
    } catch (error) {
      this.#say(error.message);
      await this.load();
    }
  }
}

export class QuestionCard {
  constructor(question) {
    this.id = question.id;
    this.element = clone('question-card');
    this.element.dataset.question = question.id;
    showPlainly(place(this.element, 'text'), question.text);
    const form = place(this.element, 'form');
    for (const choice of question.choices) {
      const button = document.createElement('button');
      button.type = 'button';
      showPlainly(button, question.kind === 'ask_user' ? choice : choice.replaceAll('_', ' '));
      button.addEventListener('click', () => this.#answer(choice));
      place(this.element, 'choices').append(button);
    }
    place(this.element, 'free').hidden = question.kind !== 'ask_user';
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      const answer = place(this.element, 'answer').value.trim();
      if (answer) this.#answer(answer);
    });
    if (question.status !== 'open') this.ended(question);
  }

  ended(question) {
    place(this.element, 'form').hidden = true;
    const text = {
      answered: `Answered: ${question.answer}`,
      expired: 'Nobody answered in time.',
    }[question.status] ?? 'Not needed any more.';
    this.#say(text);
  }

  #say(text) {
    const outcome = place(this.element, 'outcome');
    showPlainly(outcome, text);
    outcome.hidden = false;
  }

  async #answer(answer) {
    const buttons = this.element.querySelectorAll('button');
    for (const button of buttons) button.disabled = true;
    try {
      this.ended(await post(`/api/v1/questions/${this.id}/answer`, { answer }));
    } catch (error) {
      this.#say(error.message);
      for (const button of buttons) button.disabled = false;
      find('input', this.element)?.focus();
    }
  }
}
