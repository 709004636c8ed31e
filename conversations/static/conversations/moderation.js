// The moderation queue: one key or click from a flag to its decision. Without this script each button sends its form.

const form = document.getElementById('mq-form');
const live = document.getElementById('mq-live');
const KEYS = { h: 'hide', d: 'dismiss', w: 'warn', b: 'block' };
const DECISIONS = { hide: 1, dismiss: 1, warn: 1, block: 1 };
const MARK = 'mq-current';

const cards = () => [...document.querySelectorAll('.mq-card')];
const waits = (card) => card.dataset.state !== 'decided';
const current = () => document.querySelector(`.${MARK}`);
const chosen = () => [...document.querySelectorAll('.mq-choose:checked')];
const cardOf = (id) => document.getElementById(`flag-${id}`);
let last = null; // the flag that was decided last, for undo

function go(card, { focus = true } = {}) {
  if (!card) return;
  current()?.classList.remove(MARK);
  card.classList.add(MARK);
  if (!focus) return;
  card.focus({ preventScroll: true });
  card.scrollIntoView({ block: 'nearest' });
}

function step(by) {
  const all = cards();
  const place = all.indexOf(current());
  go(all[Math.min(Math.max(place + by, 0), all.length - 1)]);
}

function goToNextWaiting(from) {
  const all = cards();
  const place = all.indexOf(from);
  const next = [...all.slice(place + 1), ...all.slice(0, place)].find(waits);
  if (next) go(next);
  else {
    from.focus({ preventScroll: true });
    const again = document.getElementById('mq-again');
    if (again) again.hidden = false;
  }
}

function say(text) {
  live.textContent = text;
}

function show(card, { state, text, done }) {
  card.querySelector('.mq-outcome').textContent = text;
  card.classList.toggle('mq-refused', !done);
  if (!state) return;
  card.dataset.state = state;
  const box = card.querySelector('.mq-choose');
  if (box) {
    box.disabled = state === 'decided';
    if (box.disabled) box.checked = false;
  }
}

function showClaim(card, action) {
  const button = card.querySelector('[data-claim]');
  if (!button) return;
  const mine = action === 'claim';
  button.value = mine ? 'release' : 'claim';
  button.firstChild.textContent = mine ? 'Release ' : 'Claim ';
}

async function send(address, action, ids) {
  const body = new FormData(form);
  body.delete('flag');
  body.set('action', action);
  for (const id of ids) body.append('flag', id);
  const response = await fetch(address, { method: 'POST', body, headers: { Accept: 'application/json' } });
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.detail || 'This could not be done.');
  return answer.results;
}

async function act(action, ids) {
  if (!ids.length) return say('Choose a flag first.');
  const from = cardOf(ids[ids.length - 1]);
  let results;
  ids.forEach((id) => cardOf(id)?.setAttribute('aria-busy', 'true'));
  try {
    results = await send(form.getAttribute('action'), action, ids);
  } catch (error) {
    return say(error instanceof TypeError ? 'The server cannot be reached: nothing was done. Try again.' : error.message);
  } finally {
    ids.forEach((id) => cardOf(id)?.removeAttribute('aria-busy'));
  }
  for (const result of results) {
    const card = cardOf(result.flag);
    if (!card) continue;
    show(card, { ...result, state: result.code === 'flag_decided' ? 'decided' : result.state });
    if (result.code === 'flag_decided') card.classList.add('mq-by-others');
    if (result.done && (action === 'claim' || action === 'release')) showClaim(card, action);
    if (action === 'reopen') {
      if (result.done) reopened(result);
    } else if (action in DECISIONS) {
      result.settled.map(cardOf).filter((other) => other && other !== card).forEach((other) => show(other, result));
    }
  }
  const failed = results.filter((result) => !result.done);
  if (results.length === 1) say(results[0].text);
  else say(`${results.length - failed.length} done${failed.length ? `, ${failed.length} not: ${failed[0].text}` : ''}.`);
  count();
  if (action in DECISIONS) {
    if (!failed.length) form.elements.reason.value = '';
    last = results.find((result) => result.done)?.flag ?? last;
    if (document.getElementById('mq-all') && !waits(from)) goToNextWaiting(from);
  }
  return undefined;
}

function reopened(result) {
  for (const id of result.settled) {
    const card = cardOf(id);
    if (!card) continue;
    show(card, { state: 'open', text: '', done: true });
    showClaim(card, 'release');
  }
  go(cardOf(result.flag));
}

async function open(card) {
  const place = card.querySelector('.mq-context');
  if (place.childElementCount) {
    place.replaceChildren();
    return;
  }
  const response = await fetch(place.dataset.context);
  if (!response.ok) return say('What was said around it cannot be read.');
  const read = new DOMParser().parseFromString(await response.text(), 'text/html');
  place.replaceChildren(...read.body.childNodes);
}

function count() {
  const label = document.getElementById('mq-chosen');
  const number = chosen().length;
  if (label) label.textContent = number ? `${number} chosen` : 'Choose all';
}

function press(key) {
  const card = current();
  if (key === 'j' || key === 'ArrowDown') return step(1);
  if (key === 'k' || key === 'ArrowUp') return step(-1);
  if (key === 'r') return form.elements.reason?.focus();
  if (key === 'u') {
    const flag = card && !waits(card) && !card.classList.contains('mq-by-others') ? card.dataset.flag : last;
    return flag && act('reopen', [flag]);
  }
  if (!card) return undefined;
  if (key === 'o') return open(card);
  if (key === 'x') return card.querySelector('.mq-choose')?.click();
  if (key === 'c' && waits(card)) return card.querySelector('[data-claim]')?.click();
  const many = chosen();
  const button = card.querySelector(`[value=${KEYS[key]}]`);
  if (!button) return undefined;
  if (many.length) return act(KEYS[key], many.map((box) => box.value));
  return waits(card) ? act(KEYS[key], [card.dataset.flag]) : undefined;
}

const HANDLED = new Set(['j', 'k', 'ArrowDown', 'ArrowUp', 'r', 'u', 'o', 'x', 'c', ...Object.keys(KEYS)]);

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  const typing = event.target.closest?.('input:not([type=checkbox]), select, textarea, [contenteditable]');
  if (typing) {
    if (event.key === 'Escape') go(current() ?? cards()[0]);
    return;
  }
  if (!HANDLED.has(event.key)) return;
  event.preventDefault();
  press(event.key);
}

if (form) {
  document.addEventListener('keydown', onKey);
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    const button = event.submitter;
    if (!button?.value) return;
    const card = button.closest('.mq-card');
    act(button.value, card ? [card.dataset.flag] : chosen().map((box) => box.value));
  });
  form.addEventListener('focusin', (event) => go(event.target.closest('.mq-card'), { focus: false }));
  form.addEventListener('change', (event) => {
    if (event.target.id === 'mq-all') {
      const boxes = document.querySelectorAll('.mq-choose:not(:disabled)');
      boxes.forEach((box) => { box.checked = event.target.checked; });
    }
    count();
  });
  form.addEventListener('click', (event) => {
    const link = event.target.closest('[data-open]');
    if (!link || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    open(link.closest('.mq-card'));
  });
  go(cards().find(waits), { focus: false });
}
document.getElementById('mq-filters')?.addEventListener('change', (event) => {
  if (event.target.matches('select')) event.target.form.requestSubmit();
});
