// A piece of an answer that is text: plain while it is written, HTML made by the server when it has ended.

import { clone, copy, place, showPlainly } from './dom.js';
import { post } from './api.js';

export class TextPart {
  #node = document.createTextNode('');
  #isShown = false;

  constructor(id, kind) {
    this.id = id;
    this.kind = kind;
    this.length = 0; // in code points, as offsets are
    this.isOpen = true;
    this.element = clone(kind === 'text' ? 'text-part' : 'reasoning-part');
    this.element.dataset.part = id;
    this.#place.append(this.#node);
    this.element.classList.add('open');
  }

  get #place() {
    return this.kind === 'text' ? this.element : place(this.element, 'text');
  }

  get text() {
    return this.#node.data;
  }

  /** Adds a piece; what is known of it is left out. False when something before it is missing. */
  append(token, offset) {
    if (offset > this.length) return false;
    let points = [...token];
    if (offset < this.length) points = points.slice(this.length - offset);
    this.#node.appendData(points.join(''));
    this.length += points.length;
    return true;
  }

  /** Nothing more will come; its HTML is asked for. */
  async end() {
    if (!this.isOpen) return;
    this.#close();
    if (this.kind !== 'text' || !this.text) return;
    try {
      this.#show((await post('/chat/data/rendered', { text: this.text })).html);
    } catch {
      // It stays readable as plain text; the end of the run brings its HTML.
    }
  }

  /** As the server has it stored. */
  settle({ text, html }) {
    this.#close();
    if (this.text !== text) {
      this.#node.data = text;
      this.#isShown = false;
    }
    this.length = [...text].length;
    this.#show(html);
  }

  #close() {
    this.isOpen = false;
    this.element.classList.remove('open');
  }

  #show(html) {
    if (html === null || this.#isShown || this.kind !== 'text') return;
    this.#isShown = true;
    this.element.classList.add('rich');
    // The server has sanitised it, and the page's policy runs no script that stands in a page.
    this.element.innerHTML = html;
    for (const block of this.element.querySelectorAll('pre')) addHeader(block);
    for (const table of this.element.querySelectorAll('table')) {
      const box = document.createElement('div');
      box.className = 'table';
      box.tabIndex = 0;
      table.replaceWith(box);
      box.append(table);
    }
  }
}

function addHeader(block) {
  const box = document.createElement('div');
  const head = document.createElement('div');
  const label = document.createElement('span');
  const button = document.createElement('button');
  box.className = 'code';
  block.tabIndex = 0;
  showPlainly(label, block.dataset.language ?? '');
  button.type = 'button';
  button.textContent = 'Copy code';
  button.addEventListener('click', () => copy(block.textContent, button));
  head.append(label, button);
  block.replaceWith(box);
  box.append(head, block);
}
