import { reasons } from '@parley/shared/reason';

export type Json = Record<string, unknown>;

/** The shape of every error. */
export const errorSchema: Json = {
  type: 'object',
  required: ['message', 'code', 'data'],
  properties: {
    message: { type: 'string', description: "For people, in the user's language" },
    code: { type: 'integer' },
    data: {
      type: 'object',
      required: ['reason', 'retryable', 'traceId'],
      properties: {
        reason: { enum: reasons },
        retryable: { type: 'boolean' },
        traceId: { type: 'string' },
        details: { type: 'object' },
      },
    },
  },
};
