/** How the connection is, in a word; and what to do where it does not come back by itself. */
import { useId, useState } from 'preact/hooks';
import type { ChatClient } from './chat-client.ts';

export function ConnectionBadge({ client }: { client: ChatClient }) {
  const { phase } = client.line;
  const words = {
    online: 'Online',
    connecting: 'Connecting …',
    offline: 'Offline',
    refused: 'Ended',
  };
  return (
    <span
      class={`badge ${phase}`}
      role="status"
      aria-label="Connection"
      title={phase === 'online' ? client.transport() : ''}
    >
      {words[phase]}
    </span>
  );
}

export function ConnectionTrouble({ client, onLeave }: { client: ChatClient; onLeave(): void }) {
  const waiting = [...client.threads.values()]
    .flatMap(({ outgoing }) => outgoing)
    .filter(({ state }) => state === 'waiting').length;
  const { line } = client;
  if (line.phase === 'offline') {
    return (
      <p class="trouble" role="status">
        {line.reason} Trying again …
        {waiting > 0
          ? ` ${waiting} ${waiting === 1 ? 'message waits' : 'messages wait'} here.`
          : ''}
      </p>
    );
  }
  if (line.phase === 'refused') {
    if (client.hasToken) return <TokenForm client={client} why={line.reason} />;
    return (
      <p class="trouble" role="alert">
        {line.reason}{' '}
        <button type="button" class="link" onClick={client.reconnect}>
          Connect again
        </button>{' '}
        <button type="button" class="link" onClick={onLeave}>
          Be somebody else
        </button>
      </p>
    );
  }
  return client.tokenExpiresAt === null ? null : (
    <TokenForm client={client} why="Your token is about to expire." />
  );
}

function TokenForm({ client, why }: { client: ChatClient; why: string }) {
  const [token, setToken] = useState('');
  const [refusal, setRefusal] = useState<string | null>(null);
  const field = useId();
  return (
    <form
      class="trouble inline"
      onSubmit={(event) => {
        event.preventDefault();
        const given = token.trim().replace(/^Bearer /i, '');
        void client.renewToken(given).then(setRefusal);
      }}
    >
      <label for={field}>
        <span role="alert">{refusal ?? why}</span> New token:
      </label>
      <input
        id={field}
        required
        value={token}
        onInput={(event) => setToken(event.currentTarget.value)}
      />
      <button type="submit">Renew</button>
    </form>
  );
}
