// The task that is worked on in this conversation, and how far it is.

import { find, place, showPlainly } from './dom.js';

const STATES = {
  queued: 'waits for a worker', running: 'at work', waiting: 'waits for you', paused: 'paused', completed: 'done',
  failed: 'failed', cancelled: 'cancelled', timed_out: 'stopped: its time is used up',
};
const WAITS = {
  approval: 'waits for your approval', clarification: 'waits for your answer', recovery: 'waits for your decision',
  budget: 'paused: its budget is used up',
};

/** `execution` as the server tells of it, or null where there is none. */
export function showWork(execution) {
  const box = find('#work');
  box.hidden = !execution;
  if (!execution) return;
  const { status, wait_reason: reason, task, progress, error } = execution;
  box.dataset.status = status;
  showPlainly(place(box, 'task'), task.name);
  place(box, 'state').textContent = WAITS[reason] ?? STATES[status] ?? status;
  const bar = place(box, 'bar');
  const isOpen = ['queued', 'running', 'waiting', 'paused'].includes(status);
  const percent = progress?.percent ?? null;
  bar.hidden = !isOpen || percent === null;
  bar.value = percent ?? 0;
  bar.textContent = `${percent ?? 0} %`;
  showPlainly(place(box, 'note'), (isOpen ? progress?.note : error?.message) ?? '');
}
