import type { Reason } from './reason.ts';

export type Locale = 'en' | 'zh';

/** The nearest supported locale of a BCP 47 tag; English when there is none. */
export function localeOf(tag: string | null | undefined): Locale {
  return tag?.toLowerCase().startsWith('zh') ? 'zh' : 'en';
}

const sentences: Record<Reason, Record<Locale, string>> = {
  UNAUTHENTICATED: { en: 'Please sign in again.', zh: '请重新登录。' },
  FORBIDDEN: { en: 'You may not do this.', zh: '您没有权限执行此操作。' },
  NOT_APPROVED: { en: 'Your account has not been approved yet.', zh: '您的账户尚未获得批准。' },
  SCOPE_MISSING: { en: 'This credential does not allow that.', zh: '此凭证不允许该操作。' },
  NOT_FOUND: { en: 'This does not exist.', zh: '未找到。' },
  VERSION_UNSUPPORTED: { en: 'This version of the protocol is not supported.', zh: '不支持此协议版本。' },
  INVALID_INPUT: { en: 'The input is not valid.', zh: '输入无效。' },
  INVALID_MESSAGE: { en: 'The message could not be read.', zh: '无法解析该消息。' },
  PAYLOAD_TOO_LARGE: { en: 'This is too large.', zh: '内容过大。' },
  UNSUPPORTED_FORMAT: { en: 'This format is not supported.', zh: '不支持此格式。' },
  PROTOCOL_ORDER: { en: 'This step came out of order.', zh: '操作顺序不正确。' },
  TURN_IN_PROGRESS: { en: 'The agent is still answering.', zh: '对方正在回答，请稍候。' },
  IDEMPOTENCY_CONFLICT: { en: 'This id was already used for something else.', zh: '此编号已用于其他内容。' },
  SEGMENT_CONFLICT: {
    en: 'This part of the recording was already sent with other content.',
    zh: '该录音片段已以其他内容发送。',
  },
  SEGMENTS_MISSING: { en: 'Some parts of the recording are missing.', zh: '部分录音片段缺失。' },
  NO_SPEECH: { en: 'I could not hear any speech.', zh: '没有听到语音。' },
  TRANSCRIPTION_FAILED: {
    en: 'The recording could not be understood. Please try again or type.',
    zh: '无法识别这段录音，请重试或改用文字输入。',
  },
  STT_UNAVAILABLE: { en: 'Speech recognition is not available right now.', zh: '语音识别暂时不可用。' },
  TTS_UNAVAILABLE: { en: 'Speech is not available right now.', zh: '语音播放暂时不可用。' },
  MODEL_UNAVAILABLE: { en: 'The agent is not available right now.', zh: '对话服务暂时不可用。' },
  MODEL_INCOMPLETE: { en: 'The answer broke off.', zh: '回答中断了。' },
  MODEL_TIMEOUT: { en: 'The agent took too long to answer.', zh: '回答超时了。' },
  OWNER_LOST: { en: 'The answer was cut off by a restart.', zh: '服务重启，回答中断了。' },
  CONVERSATION_ENDED: { en: 'This conversation has ended.', zh: '此对话已结束。' },
  CONVERSATION_DELETED: { en: 'This conversation has been deleted.', zh: '此对话已删除。' },
  QUOTA_EXCEEDED: { en: 'Your allowance is used up.', zh: '您的额度已用完。' },
  RATE_LIMITED: { en: 'Too many requests. Please wait a moment.', zh: '请求过于频繁，请稍后再试。' },
  TOO_MANY_SUBSCRIPTIONS: { en: 'Too many subscriptions on one connection.', zh: '单个连接的订阅过多。' },
  SLOW_CONSUMER: { en: 'The connection is too slow; reconnect to go on.', zh: '连接过慢，请重新连接。' },
  DRAINING: { en: 'This server is restarting. Please try again.', zh: '服务器正在重启，请重试。' },
  UNAVAILABLE: { en: 'Something is not available right now. Please try again.', zh: '服务暂时不可用，请重试。' },
  INTERNAL: { en: 'Something went wrong.', zh: '出了点问题。' },
};

/** One sentence for a person, saying what a reason means. */
export function explain(reason: Reason, locale: Locale): string {
  return sentences[reason][locale];
}
