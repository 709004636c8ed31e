// The list of conversations, and what can be done with the one that is open.

import { ask, clone, find, notice, place, plainLine } from './dom.js';
import { call, get, ofConversation } from './api.js';

const PAGE = 30;
const TYPING = 250;
const STATES = { busy: 'at work', waiting: 'waits for you' };

const day = new Intl.DateTimeFormat('en', { day: 'numeric', month: 'short' });
const hour = new Intl.DateTimeFormat('en', { hour: '2-digit', minute: '2-digit', hour12: false });

function moment(text) {
  const time = new Date(text);
  return time.toDateString() === new Date().toDateString() ? hour.format(time) : day.format(time);
}

export class Sidebar {
  #cursor = null;
  #isArchived = false;
  #asked = 0;

  /** `open` is the conversation that the page shows, or null. */
  constructor(open, { mayBeSponsored }) {
    this.open = open;
    this.mayBeSponsored = mayBeSponsored;
    let timer = 0;
    find('#search').addEventListener('input', () => {
      clearTimeout(timer);
      timer = setTimeout(() => this.refresh(), TYPING);
    });
    find('#show-current').addEventListener('click', () => this.#show(false));
    find('#show-archived').addEventListener('click', () => this.#show(true));
    find('#more-conversations').addEventListener('click', () => this.#load(this.#cursor));
    find('#rename').addEventListener('click', () => this.#rename());
    find('#archive').addEventListener('click', () => this.#archive());
    find('#delete').addEventListener('click', () => this.#delete());
    find('#sponsored').addEventListener('click', () => this.#change({ sponsored: !this.open.sponsored }));
    for (const name of ['sidebar', 'actions']) openable(name);
    document.addEventListener('visibilitychange', () => { if (!document.hidden) this.refresh(); });
    this.showOpen();
    this.refresh();
  }

  setOpen(conversation) {
    this.open = conversation;
    this.showOpen();
  }

  showOpen() {
    const open = this.open;
    find('#actions').hidden = find('#open-actions').hidden = !open;
    if (!open) return;
    const title = plainLine(open.title) || 'New conversation';
    find('#title bdi').textContent = title;
    document.title = `${title} - Penguin`;
    find('#archive').textContent = open.archived ? 'Take back' : 'Archive';
    find('#sponsored').hidden = !this.mayBeSponsored;
    find('#sponsored').textContent = open.sponsored ? 'Sponsored: on' : 'Sponsored: off';
    find('#sponsored').setAttribute('aria-pressed', String(Boolean(open.sponsored)));
    find('#export').href = ofConversation(open.session_id, '/export?format=markdown');
  }

  refresh() {
    return this.#load('');
  }

  #show(isArchived) {
    this.#isArchived = isArchived;
    find('#show-current').setAttribute('aria-pressed', String(!isArchived));
    find('#show-archived').setAttribute('aria-pressed', String(isArchived));
    this.refresh();
  }

  async #load(cursor) {
    const asked = ++this.#asked;
    const search = find('#search').value.trim();
    const query = new URLSearchParams({ limit: PAGE, cursor, search, archived: this.#isArchived });
    try {
      const page = await get(`/api/v1/conversations?${query}`);
      if (asked !== this.#asked) return; // something else was asked for meanwhile
      this.#cursor = page.next_cursor;
      const list = find('#conversations');
      const rows = page.conversations.map((conversation) => this.#row(conversation));
      if (cursor) list.append(...rows);
      else list.replaceChildren(...rows);
      find('#more-conversations').hidden = !page.next_cursor;
      const none = find('#no-conversations');
      none.hidden = list.children.length > 0;
      none.textContent = search ? 'Nothing with these words.' : 'No conversations here.';
    } catch (error) {
      if (asked === this.#asked) notice(error.message);
    }
  }

  #row(conversation) {
    const row = clone('conversation-row');
    const link = find('a', row);
    const state = STATES[conversation.status];
    link.href = `/chat/${encodeURIComponent(conversation.session_id)}`;
    place(row, 'title').textContent = plainLine(conversation.title) || 'Without a title';
    place(row, 'about').textContent = state ?? moment(conversation.last_active);
    link.dataset.status = conversation.status;
    if (conversation.session_id === this.open?.session_id) {
      link.setAttribute('aria-current', 'page');
      if (this.open.title !== conversation.title) this.setOpen({ ...this.open, title: conversation.title });
    }
    return row;
  }

  async #change(changes) {
    try {
      this.setOpen({ ...this.open, ...await call('PATCH', ofConversation(this.open.session_id), changes) });
      await this.refresh();
    } catch (error) {
      notice(error.message);
    }
  }

  async #rename() {
    const title = await ask({ title: 'Rename', label: 'Title', value: this.open.title, yes: 'Rename' });
    if (title !== null) await this.#change({ title: plainLine(title) });
  }

  #archive() {
    return this.#change({ archived: !this.open.archived });
  }

  async #delete() {
    const text = 'All its messages go, for good. A run that is at work is stopped.';
    if (!await ask({ title: 'Delete this conversation?', text, yes: 'Delete' })) return;
    try {
      const { deleted } = await call('DELETE', ofConversation(this.open.session_id));
      if (deleted) location.assign('/chat');
      else notice('It is still at work and is being stopped. Delete it again in a moment.');
    } catch (error) {
      notice(error.message);
    }
  }
}

/** On narrow pages the list and the actions are opened by a button and closed by Escape or a click beside them. */
function openable(name) {
  const button = find(`#open-${name}`);
  const set = (isOpen) => {
    document.body.classList.toggle(`${name}-open`, isOpen);
    button.setAttribute('aria-expanded', String(isOpen));
  };
  button.addEventListener('click', () => {
    set(button.getAttribute('aria-expanded') !== 'true');
    find(`#${name} a, #${name} button`).focus();
  });
  document.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape' || button.getAttribute('aria-expanded') !== 'true') return;
    set(false);
    button.focus();
  });
  document.addEventListener('click', (event) => {
    if (!event.target.closest(`#${name}, #open-${name}`) || event.target.closest('#close-sidebar')) set(false);
  });
}
