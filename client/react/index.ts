// biome-ignore-all lint/performance/noBarrelFile: public entry of the package
export type { Content, Outgoing, PostOptions } from '../conversation/outbox.ts';
export type { Latency, Moment, TurnRecord, TurnTimes } from '../conversation/turn-record.ts';
export type { Speaking, ViewState } from '../conversation/view-state.ts';
export { type UseConnectionResult, useConnection } from './connection.ts';
export {
  type SendVariables,
  type UseConversationOptions,
  type UseConversationResult,
  useConversation,
  useConversationActions,
  useConversationSelector,
} from './conversation.ts';
export {
  type ConversationList,
  type CreateConversation,
  type UseConversationsOptions,
  type UseConversationsResult,
  useConversations,
  useCreateConversation,
} from './conversations.ts';
export type { Mutation } from './mutation.ts';
export { type UsePlayerOptions, type UsePlayerResult, usePlayer } from './player.ts';
export { ParleyProvider, type ParleyProviderProps, useParley } from './provider.tsx';
export { type UseRecorderOptions, type UseRecorderResult, useRecorder } from './recorder.ts';
export { type UseResendRecordingResult, useResendRecording } from './recorder-resend.ts';
export { useTurn, useTurns } from './turns.ts';
