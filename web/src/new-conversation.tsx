/** Starting a conversation: with people one knows, and with anybody by id. */

import type { Person } from 'messaging-service/events';
import { useId, useState } from 'preact/hooks';
import type { ChatClient } from './chat-client.ts';
import { isUuid, nameOf } from './format.ts';
import { Avatar } from './small.tsx';

interface Props {
  client: ChatClient;
  known: readonly Person[];
  onMade(id: string): void;
  onCancel(): void;
}

export function NewConversation({ client, known, onMade, onCancel }: Props) {
  const [picked, setPicked] = useState<ReadonlySet<string>>(new Set());
  const [ids, setIds] = useState('');
  const [problem, setProblem] = useState<string | null>(null);
  const field = useId();
  const people = new Map(known.filter(({ id }) => id !== client.me).map((one) => [one.id, one]));

  function toggle(id: string): void {
    const next = new Set(picked);
    if (!next.delete(id)) next.add(id);
    setPicked(next);
  }

  function make(event: Event): void {
    event.preventDefault();
    const typed = ids
      .toLowerCase()
      .split(/[\s,;]+/)
      .filter((id) => id !== '');
    const wrong = typed.find((id) => !isUuid(id));
    if (wrong !== undefined) {
      setProblem(`“${wrong}” is not a UUID.`);
      return;
    }
    const all = new Set([...picked, ...typed]);
    all.delete(client.me);
    if (all.size === 0) {
      setProblem('Pick somebody.');
      return;
    }
    client.create([client.me, ...all]).then(onMade, (error: Error) => setProblem(error.message));
  }

  return (
    <form class="making" onSubmit={make}>
      <h2>New conversation</h2>
      {problem === null ? null : (
        <p class="problem" role="alert">
          {problem}
        </p>
      )}
      <fieldset>
        <legend>With</legend>
        {[...people.values()].map((person) => (
          <label key={person.id} class="choice">
            <input
              type="checkbox"
              checked={picked.has(person.id)}
              onChange={() => toggle(person.id)}
            />
            <Avatar id={person.id} name={nameOf(person)} />
            <bdi>{nameOf(person)}</bdi>
          </label>
        ))}
      </fieldset>
      <label for={field}>Others, by user id</label>
      <input
        id={field}
        placeholder="UUIDs"
        spellcheck={false}
        value={ids}
        onInput={(event) => setIds(event.currentTarget.value)}
      />
      <div class="row end">
        <button type="button" class="quiet" onClick={onCancel}>
          Cancel
        </button>
        <button type="submit">Start</button>
      </div>
    </form>
  );
}
