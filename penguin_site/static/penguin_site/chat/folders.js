// The dialog in which a folder on the server is chosen.

import { find, place, showPlainly } from './dom.js';
import { get } from './api.js';

/** The chosen path, '' for none, null when it was cancelled. */
export function chooseFolder(current) {
  const dialog = find('#folders');
  const path = place(dialog, 'path');
  let result = null;
  path.value = current;
  place(dialog, 'none').onclick = () => { result = ''; dialog.close(); };
  place(dialog, 'cancel').onclick = () => dialog.close();
  find('form', dialog).onsubmit = async (event) => {
    event.preventDefault();
    const chosen = await look(dialog, path.value.trim());
    if (!chosen) return;
    result = chosen;
    dialog.close();
  };
  path.onchange = () => look(dialog, path.value.trim());
  dialog.showModal();
  look(dialog, current);
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => resolve(result), { once: true });
  });
}

/** Shows what is in a folder, unless something else is wanted by then; its path, or null when it cannot be used. */
async function look(dialog, wanted) {
  const problem = place(dialog, 'problem');
  const field = place(dialog, 'path');
  const before = field.value;
  try {
    const { path, parent, folders } = await get(`/chat/data/folders?path=${encodeURIComponent(wanted)}`);
    if (field.value !== before) return path;
    problem.hidden = true;
    field.value = path;
    const rows = folders.map((name) => [name, `${path}/${name}`]);
    if (parent) rows.unshift(['..', parent]);
    place(dialog, 'list').replaceChildren(...rows.map(([name, target]) => {
      const row = document.createElement('li');
      const button = document.createElement('button');
      button.type = 'button';
      button.className = 'quiet';
      showPlainly(button, name === '..' ? 'Up one folder' : name);
      button.addEventListener('click', () => look(dialog, target));
      row.append(button);
      return row;
    }));
    return path;
  } catch (error) {
    problem.textContent = error.message;
    problem.hidden = false;
    return null;
  }
}
