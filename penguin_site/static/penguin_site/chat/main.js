// The chat page: puts its parts together.

import { get, pageData, post, sentence } from './api.js';
import { Composer } from './composer.js';
import { Connection } from './connection.js';
import { find, notice } from './dom.js';
import { Sidebar } from './sidebar.js';
import { DISMISSED } from './sponsored.js';
import { Transcript, showTodos } from './transcript.js';
import { costText, countText } from './turn.js';
import { showWork } from './work.js';

const settings = JSON.parse(find('#settings').textContent);
let conversation = JSON.parse(find('#conversation').textContent);
let sending = null; // {frame, question}: sent, and not confirmed yet
let isSynced = false; // this socket follows the conversation

const sidebar = new Sidebar(conversation, { mayBeSponsored: settings.sponsored });
const transcript = new Transcript({
  activity: () => composer.setBusy(transcript.activeRun !== null),
  asked: () => sidebar.refresh(),
  ended: () => { sidebar.refresh(); showMeter(); },
  gap: () => readAgain(),
});
const composer = new Composer(
  { send, stop },
  { settings, directory: conversation?.directory, isNew: !conversation },
);
if (conversation) show(conversation);
else find('#welcome').hidden = false;
const connection = new Connection({ opened, frame, state: showState });
document.addEventListener(DISMISSED, () => sidebar.setOpen({ ...sidebar.open, sponsored: false }));
composer.focus();

function show(state) {
  conversation = state;
  transcript.sessionId = state.session_id;
  transcript.show(state);
  showTodos(state.todos);
  showWork(state.execution);
  find('#welcome').hidden = !transcript.isEmpty;
  showMeter();
}

// Connection

function opened() {
  isSynced = false;
  attach();
  if (sending) connection.send(sending.frame); // the server knows it by its client_message_id
}

function attach() {
  if (!conversation || !transcript.cursor || isSynced) return;
  isSynced = connection.send({ type: 'attach', session_id: conversation.session_id, ...transcript.position() });
}

function showState(state) {
  const banner = find('#banner');
  const texts = {
    offline: 'The connection is lost. Trying again; what happens meanwhile will be shown.',
    'signed-out': 'You are signed out. Reload the page to sign in again.',
  };
  banner.dataset.state = state;
  banner.hidden = state === 'online';
  banner.textContent = texts[state] ?? '';
}

async function readAgain() {
  try {
    const state = await get(pageData(conversation.session_id));
    if (state.turns.slice(-2).some((turn) => turn.questions.some(isSent))) {
      sending = null;
      transcript.refused();
    }
    show(state);
    isSynced = false;
    attach();
  } catch (error) {
    notice(error.message);
  }
}

const isSent = (question) => question.text === sending?.question.text;

function frame(event, data) {
  if (event === 'replay_gap' || event === 'cursor_reset') {
    readAgain();
  } else if (event === 'error') {
    if (!data.run_id) refused(data);
  } else if (data.session_id && data.session_id === transcript.sessionId) {
    if (event === 'start') accepted(data);
    if (event === 'todos') showTodos(data.todos);
    if (event === 'execution') showWork(data.execution);
    transcript.take(event, data);
    if (event === 'start') attach();
  }
}

// Messages

function send(message, question) {
  if (sending) {
    notice('Your last message is still on its way. Send this one when it has arrived.');
    return false;
  }
  const sessionId = conversation?.session_id ?? newId();
  transcript.sessionId = sessionId;
  sending = {
    frame: { ...message, session_id: sessionId, client_message_id: hex(12) },
    question,
  };
  find('#welcome').hidden = true;
  transcript.sent(question);
  connection.send(sending.frame);
  return true;
}

function accepted(data) {
  const own = sending;
  sending = null;
  if (conversation) return;
  const directory = own?.frame.directory;
  conversation = { session_id: data.session_id, title: '', archived: false, sponsored: false, directory };
  history.replaceState(null, '', `/chat/${encodeURIComponent(data.session_id)}`);
  composer.setFolder(directory ?? '', { isBound: true });
  sidebar.setOpen(conversation);
  sidebar.refresh();
}

function refused(data) {
  notice(sentence(data.message, data.code, data.status));
  if (!sending) return;
  transcript.refused();
  composer.restore(sending.question.text);
  sending = null;
  find('#welcome').hidden = !transcript.isEmpty;
}

async function stop() {
  const runId = transcript.activeRun;
  if (!runId) return;
  try {
    await post(`/api/v1/runs/${runId}/cancel`);
  } catch (error) {
    notice(error.message);
  }
}

function hex(bytes) {
  return [...crypto.getRandomValues(new Uint8Array(bytes))].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** As the server makes them: conversation_YYYYMMDD_HHMMSS_<8 hex>. */
function newId() {
  const now = new Date().toISOString().replace(/[-:]/g, '').replace('T', '_').slice(0, 15);
  return `conversation_${now}_${hex(4)}`;
}

// What it has cost

async function showMeter() {
  const meter = find('#meter');
  try {
    const path = `/api/v1/sessions/${encodeURIComponent(conversation.session_id)}/token-usage`;
    const { usage, context_window: context } = await get(path);
    const full = context.fraction === null ? '' : `context ${Math.round(context.fraction * 100)} %`;
    const figures = [countText(usage.total), costText(usage.cost_usd), full].filter(Boolean);
    meter.replaceChildren(...figures.map((figure) => {
      const part = document.createElement('span');
      part.textContent = figure;
      return part;
    }));
    meter.title = figures.join(', ');
    meter.hidden = !usage.total;
  } catch {
    meter.hidden = true; // figures are no reason to disturb anybody
  }
}
