// The message field: text, attachments, model, mode and folder.

import { ask, clone, find, notice, plainLine, showPlainly } from './dom.js';
import { get, post } from './api.js';
import { chooseFolder } from './folders.js';
import { choices, drafts } from './storage.js';

const MOST_FILES = 20;
const MOST_TEXT_BYTES = 200_000; // of all attached text files; they travel inside the message

export class Composer {
  #field = find('#message');
  #attached = []; // {name, image: id} or {name, content}
  #models = new Map();
  #folder = '';

  /** `on.send(message, question)` returns whether it was taken; `on.stop()`. */
  constructor(on, { settings, directory, isNew }) {
    this.on = on;
    this.settings = settings;
    this.#draft = drafts.get(this.#draftKey);
    this.setFolder(directory ?? '', { isBound: !isNew });
    find('#composer').addEventListener('submit', (event) => { event.preventDefault(); this.#send(); });
    find('#stop').addEventListener('click', () => on.stop());
    find('#attach').addEventListener('click', () => find('#file').click());
    find('#file').addEventListener('change', (event) => {
      this.#take([...event.target.files]);
      event.target.value = '';
    });
    find('#folder').addEventListener('click', async () => {
      const chosen = await chooseFolder(this.#folder);
      if (chosen !== null) this.setFolder(chosen, { isBound: false });
    });
    find('#model').addEventListener('change', (event) => this.#chooseModel(event.target));
    this.#listen();
    this.#loadModels();
    this.#fit();
  }

  get #draftKey() {
    return `draft ${location.pathname}`;
  }

  set #draft(text) {
    this.#field.value = text;
  }

  setFolder(path, { isBound }) {
    const button = find('#folder');
    this.#folder = path;
    button.disabled = isBound;
    button.title = path || 'The conversation works in a folder of its own.';
    showPlainly(find('bdi', button), path ? path.split('/').slice(-2).join('/') : 'No folder');
  }

  setBusy(isBusy) {
    find('#stop').hidden = !isBusy;
  }

  /** Puts back what could not be sent. */
  restore(text) {
    if (!this.#field.value) this.#field.value = text;
    this.#fit();
    this.#field.focus();
  }

  focus() {
    this.#field.focus();
  }

  #listen() {
    this.#field.addEventListener('keydown', (event) => {
      if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.#send();
    });
    this.#field.addEventListener('input', () => {
      drafts.set(this.#draftKey, this.#field.value);
      this.#fit();
    });
    this.#field.addEventListener('paste', (event) => {
      const files = [...(event.clipboardData?.files ?? [])];
      if (!files.length) return;
      event.preventDefault();
      this.#take(files);
    });
    const page = document.body;
    page.addEventListener('dragover', (event) => { event.preventDefault(); page.classList.add('dropping'); });
    page.addEventListener('dragleave', (event) => { if (!event.relatedTarget) page.classList.remove('dropping'); });
    page.addEventListener('drop', (event) => {
      event.preventDefault();
      page.classList.remove('dropping');
      this.#take([...(event.dataTransfer?.files ?? [])]);
    });
  }

  #fit() {
    this.#field.style.height = 'auto';
    this.#field.style.height = `${Math.min(this.#field.scrollHeight + 2, 240)}px`;
  }

  #send() {
    const text = this.#field.value;
    if (!text.trim()) return;
    const images = this.#attached.filter((file) => file.image);
    const texts = this.#attached.filter((file) => !file.image);
    const message = { text, agent_mode: find('#mode').value };
    if (find('#model').value) message.model = find('#model').value;
    if (this.#folder && !find('#folder').disabled) message.directory = this.#folder;
    if (images.length) message.images = images.map((file) => file.image);
    if (texts.length) {
      message.context = { attached_files: texts.map(({ name, content }) => ({ name, content })) };
    }
    const question = {
      text,
      images: images.map((file) => ({ id: file.image, filename: file.name })),
      files: texts.map((file) => file.name),
    };
    drafts.remove(this.#draftKey);
    if (!this.on.send(message, question)) return;
    this.#field.value = '';
    this.#attached = [];
    this.#showAttached();
    this.#fit();
    notice('');
  }

  // Attachments

  async #take(files) {
    notice('');
    for (const file of files) {
      if (this.#attached.length >= MOST_FILES) {
        notice(`A message takes ${MOST_FILES} files. Send the others with the next one.`);
        break;
      }
      try {
        this.#attached.push(file.type.startsWith('image/') ? await this.#image(file) : await this.#text(file));
      } catch (error) {
        notice(`${plainLine(file.name)}: ${error.message}`);
      }
    }
    this.#showAttached();
    this.#field.focus();
  }

  async #image(file) {
    if (file.size > this.settings.upload_bytes) throw new Error('It is too large. Make it smaller first.');
    const form = new FormData();
    form.append('file', file, file.name || 'image.png');
    const { id, filename } = await post('/api/v1/upload', form);
    const model = this.#models.get(find('#model').value || this.settings.model);
    if (model && !model.vision) notice(`${model.name} cannot see images. Choose another model for it.`);
    return { name: filename, image: id };
  }

  async #text(file) {
    const known = this.#attached.reduce((sum, { content }) => sum + (content?.length ?? 0), 0);
    if (file.size + known > MOST_TEXT_BYTES) {
      throw new Error('It is too long to attach. Put it into the folder of the conversation instead.');
    }
    const content = await file.text();
    if (/[\u0000\ufffd]/.test(content)) throw new Error('Only images and text files can be attached.');
    return { name: plainLine(file.name).slice(0, 200), content };
  }

  #showAttached() {
    const list = find('#attachments');
    list.hidden = !this.#attached.length;
    list.replaceChildren(...this.#attached.map((file) => {
      const row = clone('attachment');
      showPlainly(find('bdi', row), file.name);
      find('button', row).setAttribute('aria-label', `Remove ${plainLine(file.name)}`);
      find('button', row).addEventListener('click', () => {
        this.#attached = this.#attached.filter((other) => other !== file);
        this.#showAttached();
        this.#field.focus();
      });
      return row;
    }));
  }

  // Models

  async #loadModels() {
    const select = find('#model');
    try {
      const { models, default_problem: problem, providers } = await get('/api/v1/models');
      for (const model of models) {
        this.#models.set(model.id, model);
        if (!model.is_default) select.add(new Option(model.name, model.id));
      }
      if (Object.keys(providers).length) select.add(new Option('Another model...', '?'));
      if (problem) notice(`${this.settings.model} cannot be used: ${problem}`);
      const last = choices.get('model');
      if ([...select.options].some((option) => option.value === last && last !== '?')) select.value = last;
    } catch (error) {
      notice(error.message);
    }
  }

  async #chooseModel(select) {
    if (select.value === '?') {
      const name = await ask({
        title: 'Another model', text: 'As provider:name.', label: 'Model', value: '', yes: 'Use it',
      });
      if (name?.trim()) select.add(new Option(name.trim(), name.trim(), false, true), select.length - 1);
      else select.value = '';
    }
    choices.set('model', select.value);
  }
}
