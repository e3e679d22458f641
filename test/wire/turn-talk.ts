import type { SocketClient } from '../support/stock.ts';

/** The parts of a message in text. */
export const text = (words: string) => [{ type: 'text' as const, text: words }];

/** A conversation's messages, each as its role and its parts, told by their text or type. */
export async function said(client: SocketClient, conversationId: string): Promise<string[]> {
  const { items } = await client.conversations.messages.query({ conversationId });
  return items.map(({ role, parts }) => {
    const words = parts.map((part) => (part.type === 'text' ? part.text : part.type));
    return `${role}: ${words.join('|')}`;
  });
}
