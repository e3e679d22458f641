import { createParley } from '@parley/client';
import { ParleyProvider, useConversation } from '@parley/client/react';
import { createRoot } from 'react-dom/client';

function Chat({ id }: { id: string }) {
  const { data, outgoing, send, interrupt } = useConversation(id);
  return (
    <main>
      {data?.messages.map((message) => (
        <p key={message.id} className={message.role}>
          {message.parts.map((part) => (part.type === 'text' ? part.text : part.filename)).join(' ')}
        </p>
      ))}
      {outgoing.map(({ turnId, parts }) => (
        <p key={turnId} className="sending">
          {parts.map((part) => (part.type === 'text' ? part.text : '📎')).join(' ')}
        </p>
      ))}
      {data?.turn && !data.turn.messageId && <p className="running">{data.turn.bubbles.join(' ')}</p>}
      <form action={(form) => send.mutate({ content: String(form.get('text')), onBusy: 'queue' })}>
        <input name="text" aria-label="Message" />
        <button type="submit">Send</button>
        <button type="button" onClick={() => interrupt.mutate(undefined)} disabled={!data?.turn}>
          Stop
        </button>
      </form>
    </main>
  );
}

const { url = '', token = '' } = document.body.dataset;
const parley = createParley({ url, token });
const { id } = await parley.conversations.create({ title: 'A page' });
createRoot(document.body).render(
  <ParleyProvider parley={parley}>
    <Chat id={id} />
  </ParleyProvider>,
);
