/** The client: ads for agents, and chat, projects and tasks of the agent server. */

import { Ads, type Sessions } from './ads.js';
import type * as ads from './ads-types.js';
import { Chat } from './chat.js';
import { type ClientConfig, type Fetch, addressesOf } from './config.js';
import { ContextFiles, Conversations, UsageReports } from './conversations.js';
import { Decisions } from './decisions.js';
import { ValidationError } from './errors.js';
import type { EitherCase } from './names.js';
import { Projects } from './projects.js';
import { Tasks } from './tasks.js';
import { type RequestOptions, Transport } from './transport.js';

/** What does not need a key. */
export type PublicConfig = Omit<ClientConfig, 'apiKey'> & { apiKey?: string };

export class PenguinClient {
  readonly chat: Chat;
  readonly conversations: Conversations;
  readonly projects: Projects;
  readonly tasks: Tasks;
  readonly usage: UsageReports;
  readonly contextFiles: ContextFiles;
  /** Approvals and questions that wait for a person. */
  readonly decisions: Decisions;
  /** Sessions of users with businesses. */
  readonly sessions: Sessions;
  readonly #ads: Ads;

  constructor(config: ClientConfig) {
    if (typeof config?.apiKey !== 'string' || !config.apiKey.trim()) {
      throw new ValidationError('apiKey is required.', 'apiKey');
    }
    const { timeoutMs = 10_000, maxRetries = 2, waitMs = 240_000, chatApiKey: key = config.apiKey } = config;
    const log = logOf(config);
    const addresses = addressesOf(config.baseUrl);
    const common = { timeoutMs, maxRetries, log, fetch: fetchOf(config) };
    const server = new Transport({ ...common, base: addresses.server, headers: { 'X-API-Key': key } });
    const link = { key, maxRetries, timeoutMs, log, WebSocket: config.WebSocket };

    this.#ads = adsOf(config);
    this.sessions = this.#ads.sessions;
    this.decisions = new Decisions(server);
    this.chat = new Chat(server, this.decisions, { ...link, url: `${addresses.socket}/chat/stream` }, waitMs);
    this.conversations = new Conversations(server);
    this.projects = new Projects(server);
    this.tasks = new Tasks(server, this.decisions, { ...link, url: `${addresses.socket}/tasks/stream` });
    this.usage = new UsageReports(server);
    this.contextFiles = new ContextFiles(server);
  }

  /** Registers an agent. Its keys are shown this once; the test key works at once. */
  static async signup(options: EitherCase<ads.SignupOptions>, config: PublicConfig = {}, request?: RequestOptions): Promise<ads.Agent> {
    return adsOf(config).signup(options, request);
  }

  /**
   * Ads that fit what the user said. Reports the impression of each, once, beside it: the answer neither waits for that
   * nor fails because of it.
   */
  decideFromContext(options: EitherCase<ads.DecideOptions>, request?: RequestOptions): Promise<ads.Decision> {
    return this.#ads.decideFromContext(options, request);
  }

  /** The same without a report: for ads that may not be shown after all. */
  decide(options: EitherCase<ads.DecideOptions>, request?: RequestOptions): Promise<ads.Decision> {
    return this.#ads.decide(options, request);
  }

  /** Reports an event. Tried again under the same id: reporting it twice does no harm. */
  trackEvent(options: EitherCase<ads.EventOptions>, request?: RequestOptions): Promise<ads.EventReceipt> {
    return this.#ads.trackEvent(options, request);
  }

  /** How the user took an ad: `reaction`, or their own words as `user_response`. */
  sendFeedback(options: EitherCase<ads.FeedbackOptions>, request?: RequestOptions): Promise<ads.FeedbackReceipt> {
    return this.#ads.sendFeedback(options, request);
  }

  logServiceResult(options: EitherCase<ads.ServiceResultOptions>, request?: RequestOptions): Promise<ads.ServiceResult> {
    return this.#ads.logServiceResult(options, request);
  }

  /** Needs a click that counted. */
  rateBusiness(options: EitherCase<ads.RatingOptions>, request?: RequestOptions): Promise<ads.RatingReceipt> {
    return this.#ads.rateBusiness(options, request);
  }

  /** Offers to click, and businesses to talk to. */
  search(options: EitherCase<ads.SearchOptions>, request?: RequestOptions): Promise<ads.SearchResult> {
    return this.#ads.search(options, request);
  }

  policy(request?: RequestOptions): Promise<ads.Policy> {
    return this.#ads.policy(request);
  }

  categories(options?: EitherCase<ads.CategoriesOptions>, request?: RequestOptions): Promise<ads.Categories> {
    return this.#ads.categories(options, request);
  }

  /** What the agent has earned. */
  balance(request?: RequestOptions): Promise<ads.Balance> {
    return this.#ads.balance(request);
  }

  /** Until the impressions that are being reported have arrived, or have failed for good. */
  flush(): Promise<void> {
    return this.#ads.flush();
  }
}

function adsOf(config: PublicConfig): Ads {
  const { timeoutMs = 10_000, maxRetries = 2, apiKey, supabaseAnonKey } = config;
  const headers = {
    ...(apiKey ? { 'X-AM-API-Key': apiKey } : {}),
    ...(supabaseAnonKey ? { Authorization: `Bearer ${supabaseAnonKey}` } : {}),
  };
  const log = logOf(config);
  const base = addressesOf(config.baseUrl).ads;
  return new Ads(new Transport({ base, headers, timeoutMs, maxRetries, log, fetch: fetchOf(config) }), config.agentId, log);
}

function logOf({ debug = false, log = (line) => console.debug(line) }: PublicConfig): ((line: string) => void) | undefined {
  return debug ? (line) => log(`penguin-sdk: ${line}`) : undefined;
}

/** Looked up at each request: some programs put another one in its place later. */
function fetchOf(config: PublicConfig): Fetch {
  return config.fetch ?? ((url, init) => (globalThis.fetch as Fetch)(url, init));
}
