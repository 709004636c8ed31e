/** Answers read from what is stored, where nobody could wait for them. */

import { APIRequestError } from './errors.js';
import type { Accepted, ChatAnswer, ConversationDetail, Message, Run, Usage } from './server-types.js';
import { type RequestOptions, type Transport, sleep } from './transport.js';

const LOOK_EVERY_MS = 500;

/** The texts of a stored answer, as a stream names them. */
export function answerText(message: Message | undefined): { id: string; kind: 'token' | 'reasoning'; text: string }[] {
  const parts = (message?.parts ?? []) as { id: string; type: string; text?: string; status?: string }[];
  return parts
    .filter(({ type, text, status }) => (type === 'text' || type === 'reasoning') && text && status !== 'interrupted')
    .map(({ id, type, text }) => ({ id, kind: type === 'text' ? 'token' : 'reasoning', text: text! }));
}

/** Waits for the end of a run by looking again and again. */
export async function answerOf(transport: Transport, accepted: Accepted, request: RequestOptions = {}): Promise<ChatAnswer> {
  const { signal } = request;
  const { run_id, session_id, conversation_id, message_id } = accepted;
  let run: Run;
  while (!(run = await transport.get<Run>(`/runs/${run_id}`, {}, { signal })).finished_at) await sleep(LOOK_EVERY_MS, signal);
  if (run.status === 'failed') {
    throw new APIRequestError(502, run.error?.kind ?? 'failed', run.error?.message ?? 'The run failed.', run, undefined);
  }
  const address = `/conversations/${encodeURIComponent(session_id)}`;
  const { messages } = await transport.get<ConversationDetail>(address, { limit: 1000 }, { signal });
  return {
    response: messages.find(({ id }) => id === message_id)?.content ?? '',
    action_results: [],
    session_id,
    conversation_id,
    run_id,
    message_id,
    status: run.status as ChatAnswer['status'],
    aborted: run.status !== 'completed',
    usage: run.usage as unknown as Usage,
  };
}
