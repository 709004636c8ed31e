/** Compiles only as long as the SDK's types say what the served OpenAPI documents say. `ads` and `api` are made of these. */

import type * as sdk from 'penguin-sdk';
import type { components as OfAds, operations as AdsOperations } from './ads.js';
import type { components as OfApi } from './api.js';

/** An object of which no property is described is generated as one that may have none. */
type Opened<T> = string extends keyof T ? ([T[keyof T]] extends [never] ? Record<string, unknown> : T) : T;
type Plain<T> = T extends (infer Each)[] ? Plain<Each>[] : T extends object ? { [K in keyof Opened<T>]: Plain<Opened<T>[K]> } : T;
/** The same properties, each as required and with the same values. */
type Same<A, B> = (<T>() => T extends Plain<A> ? 1 : 2) extends <T>() => T extends Plain<B> ? 1 : 2 ? true : false;
type Holds<T extends true> = T;

// What must not compile, so that the rest means something.
// @ts-expect-error: a value that the other one does not know
type _Value = Holds<Same<{ a: 'x' | 'y' }, { a: 'x' }>>;
// @ts-expect-error: a property more
type _More = Holds<Same<{ a: { b: 1; c?: 2 } }, { a: { b: 1 } }>>;
// @ts-expect-error: required here, optional there
type _Required = Holds<Same<{ a: 1 }[], { a?: 1 }[]>>;

type Ads = OfAds['schemas'];
type Json<Answers, Status> = Status extends keyof Answers
  ? Answers[Status] extends { content: { 'application/json': infer Body } }
    ? Body
    : never
  : never;
type AdsAnswer<Name extends keyof AdsOperations, Status = 200> = Json<AdsOperations[Name]['responses'], Status>;
type Query<Name extends keyof AdsOperations> = NonNullable<AdsOperations[Name]['parameters']['query']>;

/** Of the older clients' forms of answer, the present one. */
type TodaysDecision = Extract<AdsAnswer<'decide'>, { status: 'fill' | 'no_fill'; units: { content_trust: 'untrusted' }[] }>;
type SessionFeedback = Exclude<AdsAnswer<'give_feedback_v1'>, { feedback_id: string }>;
/** The SDK says these itself where the caller does not. */
type WithDefaults<T, K extends keyof T> = Omit<T, K> & Partial<Pick<T, K>>;

export type AdsDocument = [
  // `country`, `language` and `platform` are what older clients are known by.
  Holds<Same<sdk.DecideOptions, Omit<Ads['DecideInputRequest'], 'country' | 'language' | 'platform'>>>,
  Holds<Same<sdk.Decision, TodaysDecision>>,
  Holds<Same<sdk.EventOptions, WithDefaults<Ads['EventInputRequest'], 'event_id' | 'occurred_at' | 'agent_id'>>>,
  Holds<Same<sdk.EventReceipt, AdsAnswer<'report_event'>>>,
  Holds<Same<sdk.FeedbackOptions, Ads['FeedbackInputRequest']>>,
  Holds<Same<sdk.FeedbackReceipt, AdsAnswer<'give_feedback'>>>,
  Holds<Same<sdk.ServiceResultOptions, Ads['ServiceResultInputRequest']>>,
  Holds<Same<sdk.ServiceResult, AdsAnswer<'report_service_result'>>>,
  Holds<Same<sdk.RatingOptions, Ads['RatingInputRequest']>>,
  Holds<Same<sdk.RatingReceipt, AdsAnswer<'rate_business', 201>>>,
  // `sdk` is an older name of `sdk_type`.
  Holds<Same<sdk.SignupOptions, Omit<Ads['SignUpInputRequest'], 'sdk'>>>,
  Holds<Same<sdk.Agent, AdsAnswer<'sign_up', 201>>>,
  Holds<Same<sdk.SearchOptions, Ads['SearchInputRequest']>>,
  Holds<Same<sdk.SearchResult, AdsAnswer<'search'>>>,
  Holds<Same<sdk.SessionStartOptions, Ads['StartInputRequest']>>,
  Holds<Same<sdk.SessionState, AdsAnswer<'start_session'>>>,
  Holds<Same<sdk.SessionMessageOptions, Ads['MessageInputRequest']>>,
  Holds<Same<sdk.SessionReply, AdsAnswer<'send_session_message'>>>,
  Holds<Same<sdk.SessionEndOptions, Ads['EndInputRequest']>>,
  Holds<Same<sdk.SessionSummary, AdsAnswer<'end_session'>>>,
  Holds<Same<keyof sdk.SessionFeedbackOptions, 'session_id' | 'feedback_text' | 'idempotency_key' | 'agent_id'>>,
  Holds<Same<sdk.SessionFeedbackReceipt, SessionFeedback>>,
  Holds<Same<keyof sdk.SessionFeedbackOptions & keyof Ads['EitherFeedbackInputRequest'], keyof sdk.SessionFeedbackOptions>>,
  Holds<Same<sdk.Policy, AdsAnswer<'policy'>>>,
  Holds<Same<keyof sdk.CategoriesOptions, keyof Query<'categories'>>>,
  Holds<Same<sdk.Categories, AdsAnswer<'categories'>>>,
  Holds<Same<sdk.Balance, AdsAnswer<'balance'>>>,
];

type Api = OfApi['schemas'];

// @ts-expect-error: what the documents describe is there to be compared with
type _Described = Holds<Same<Api['AcceptedOutput'], Omit<Api['AcceptedOutput'], 'cursor'>>>;

export type ApiDocument = [
  // Whether to wait is the SDK's choice.
  Holds<Same<sdk.ChatMessageOptions, Omit<Api['RestMessageInputRequest'], 'wait'>>>,
  Holds<Same<sdk.ChatAnswer, Api['AnswerOutput']>>,
  Holds<Same<sdk.Accepted, Api['AcceptedOutput']>>,
  Holds<Same<sdk.Run, Api['RunOutput']>>,
  Holds<Same<sdk.Approval, Api['ApprovalOutput']>>,
  Holds<Same<sdk.PendingApprovals, Api['PendingOutput']>>,
  Holds<Same<sdk.ApproveOptions, Api['ApproveInputRequest']>>,
  Holds<Same<sdk.DenyOptions, Api['DenyInputRequest']>>,
  Holds<Same<sdk.Questions, Api['QuestionListOutput']>>,
  Holds<Same<sdk.ConversationPage, Api['ListOutput']>>,
  Holds<Same<sdk.ConversationDetail, Api['DetailOutput']>>,
  Holds<Same<sdk.Conversation, Api['ConversationOutput']>>,
  Holds<Same<sdk.ConversationCreateOptions, Api['CreateInputRequest']>>,
  Holds<Same<sdk.ConversationCreated, Api['CreateOutput']>>,
  Holds<Same<sdk.ConversationChanges, Api['PatchedChangeInputRequest']>>,
  Holds<Same<sdk.ConversationDeleted, Api['DeletedOutput']>>,
  Holds<Same<sdk.TokenUsage, Api['TokenUsageOutput']>>,
  Holds<Same<sdk.SessionTokenUsage, Api['SessionTokenUsageOutput']>>,
  Holds<Same<sdk.ContextFiles, Api['ContextFilesOutput']>>,
  Holds<Same<sdk.ContextFileLoadOptions, Api['LoadInputRequest']>>,
  Holds<Same<sdk.ContextFileLoaded, Api['LoadOutput']>>,
  Holds<Same<sdk.ProjectPage, Api['ProjectListOutput']>>,
  Holds<Same<sdk.ProjectDetail, Api['ProjectDetailOutput']>>,
  Holds<Same<sdk.ProjectOptions, Api['ProjectInputRequest']>>,
  Holds<Same<sdk.ProjectChanges, Api['PatchedProjectChangeRequest']>>,
  Holds<Same<sdk.ProjectRunOptions, Api['ProjectRunInputRequest']>>,
  Holds<Same<sdk.ProjectRunStarted, Api['ProjectRunStartedOutput']>>,
  Holds<Same<sdk.Removed, Api['RemovedOutput']>>,
  Holds<Same<sdk.TaskPage, Api['TaskListOutput']>>,
  Holds<Same<sdk.TaskOptions, Api['TaskInputRequest']>>,
  Holds<Same<sdk.TaskChanges, Api['PatchedTaskChangeRequest']>>,
  Holds<Same<sdk.ExecuteOptions, Api['ExecuteInputRequest']>>,
  Holds<Same<sdk.ExecutionOptions, Api['StartFieldsRequest']>>,
  Holds<Same<sdk.Started, Api['StartedOutput']>>,
  Holds<Same<sdk.ExecutionDetail, Api['ExecutionDetailOutput']>>,
  Holds<Same<sdk.ExecutionPage, Api['ExecutionListOutput']>>,
  Holds<Same<sdk.Execution, Api['ExecutionOutput']>>,
  Holds<Same<sdk.ResumeOptions, Api['ResumeInputRequest']>>,
  Holds<Same<sdk.ClarificationOptions, Api['ClarificationInputRequest']>>,
  Holds<Same<sdk.RunStatus, Api['RunStatus']>>,
  Holds<Same<sdk.TaskStatus, Api['TaskStatus']>>,
];
