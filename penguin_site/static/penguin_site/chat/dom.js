// Small things that every part of the page uses: finding and copying elements, showing text that may be hostile.

export const find = (selector, root = document) => root.querySelector(selector);

/** A copy of the template with this id. */
export const clone = (name) => document.getElementById(name).content.firstElementChild.cloneNode(true);

/** The place `name` (`data-is`) in a copy of a template. */
export const place = (root, name) => root.querySelector(`[data-is="${name}"]`);

// Controls, soft hyphens, zero-width characters and those that turn the direction of text: they could make a command or
// a name look like another one.
const UNSEEN =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|[\u{e0000}-\u{e007f}]/gu;

/** Puts text into an element with everything that would not be seen written out, as in ⟨U+202E⟩. */
export function showPlainly(element, text) {
  const pieces = [];
  let end = 0;
  for (const match of text.matchAll(UNSEEN)) {
    const mark = document.createElement('mark');
    mark.textContent = `⟨U+${match[0].codePointAt(0).toString(16).toUpperCase().padStart(4, '0')}⟩`;
    pieces.push(text.slice(end, match.index), mark);
    end = match.index + match[0].length;
  }
  element.replaceChildren(...pieces, text.slice(end));
}

/** The same for one line, where marks cannot stand. */
export const plainLine = (text) => text.replace(UNSEEN, '').replace(/\s+/g, ' ').trim();

/** Told by screen readers. */
export function announce(text) {
  find('#announcer').textContent = text;
}

/** A sentence above the messages; an empty one takes it away. */
export function notice(text) {
  const box = find('#notice');
  box.hidden = !text;
  find('p', box).textContent = text;
}
find('#notice button').addEventListener('click', () => notice(''));

export async function copy(text, button) {
  const before = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Without https a page may not use the clipboard in this way.
    const area = document.createElement('textarea');
    area.value = text;
    area.className = 'unseen';
    document.body.append(area);
    area.select();
    document.execCommand('copy');
    area.remove();
    button.focus();
  }
  button.textContent = 'Copied';
  setTimeout(() => { button.textContent = before; }, 1500);
}

/** Asks for a text (`value` given) or a yes; the text, true, or null when it was cancelled. */
export function ask({ title, text = '', label = '', value = null, yes }) {
  const dialog = find('#ask');
  const input = place(dialog, 'input');
  find('h2', dialog).textContent = title;
  place(dialog, 'text').textContent = text;
  place(dialog, 'text').hidden = !text;
  place(dialog, 'field').hidden = value === null;
  place(dialog, 'label').textContent = label;
  place(dialog, 'yes').textContent = yes;
  input.value = value ?? '';
  place(dialog, 'no').onclick = () => dialog.close('');
  dialog.returnValue = '';
  dialog.showModal();
  if (value !== null) input.select();
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => {
      resolve(dialog.returnValue === 'yes' ? (value === null ? true : input.value) : null);
    }, { once: true });
  });
}
