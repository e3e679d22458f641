import type { ModelPart } from '../port.ts';

type Finish = Extract<ModelPart, { type: 'finish' }>['reason'];

/** What one chunk of a streamed completion says. */
export interface Chunk {
  text: string;
  isReasoning: boolean;
  finish: Finish | 'error' | undefined;
  usage: Extract<ModelPart, { type: 'usage' }> | undefined;
  /** An error that the service reports inside the stream. */
  error: { code: string; type: string; status: number | undefined } | undefined;
}

type Fields = Readonly<Record<string, unknown>>;

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null;
}

/** Reads a chunk leniently: compatible services leave out and add fields. Throws SyntaxError for what is no JSON object. */
export function readChunk(data: string): Chunk {
  const chunk: unknown = JSON.parse(data);
  if (!isFields(chunk)) throw new SyntaxError('a chunk is not an object');
  const choice: unknown = Array.isArray(chunk.choices) ? chunk.choices[0] : undefined;
  const delta = isFields(choice) ? (choice.delta ?? choice.message) : undefined;
  return {
    text: isFields(delta) ? textOf(delta.content) + textOf(delta.refusal) : '',
    isReasoning: isFields(delta) && (isSaid(delta.reasoning_content) || isSaid(delta.reasoning)),
    finish: isFields(choice) ? finishOf(choice.finish_reason) : undefined,
    usage: isFields(chunk.usage) ? usageOf(chunk.usage) : undefined,
    error: chunk.error === undefined || chunk.error === null ? undefined : errorOf(chunk.error),
  };
}

function isSaid(value: unknown): boolean {
  return typeof value === 'string' ? value !== '' : isFields(value);
}

/** Content is a string, or a list of parts of which only text counts. */
function textOf(content: unknown): string {
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) return '';
  let text = '';
  for (const part of content)
    if (isFields(part) && part.type === 'text' && typeof part.text === 'string') text += part.text;
  return text;
}

function finishOf(reason: unknown): Chunk['finish'] {
  if (typeof reason !== 'string' || reason === '') return undefined;
  if (reason === 'length' || reason === 'max_tokens') return 'length';
  if (reason === 'content_filter') return 'content_filter';
  if (reason === 'tool_calls' || reason === 'function_call') return 'tool_calls';
  return /^(?:error|abort(?:ed)?|cancell?ed|timeout)$/i.test(reason) ? 'error' : 'stop';
}

function usageOf(usage: Fields): Chunk['usage'] {
  const { prompt_tokens: tokensIn, completion_tokens: tokensOut } = usage;
  return { type: 'usage', tokensIn: count(tokensIn), tokensOut: count(tokensOut) };
}

function count(value: unknown): number {
  return typeof value === 'number' && value >= 0 ? Math.round(value) : 0;
}

function errorOf(error: unknown): NonNullable<Chunk['error']> {
  const fields = isFields(error) ? error : {};
  const code = typeof fields.code === 'string' || typeof fields.code === 'number' ? String(fields.code) : '';
  const status = Number(fields.status ?? fields.status_code ?? fields.code);
  return {
    code,
    type: typeof fields.type === 'string' ? fields.type : '',
    status: status >= 100 && status < 600 ? status : undefined,
  };
}
