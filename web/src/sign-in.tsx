/** Who one is: picked, made, or stated by id; where the service wants proof, a token. */

import type { Person } from 'messaging-service/events';
import { useEffect, useId, useState } from 'preact/hooks';
import { isUuid, nameOf, userOfToken } from './format.ts';
import { createPerson, type Identity, type PageSettings } from './rest.ts';
import { Avatar, Icon } from './small.tsx';

interface Props {
  settings: PageSettings;
  /** Ids of those who have a pane already. */
  taken: readonly string[];
  label: string;
  /** The people are looked at: the newest are wanted. */
  onLook(): void;
  onPicked(identity: Identity): void;
  onClose?(): void;
}

export function SignIn({ settings, taken, label, onLook, onPicked, onClose }: Props) {
  const [problem, setProblem] = useState<string | null>(null);
  const [name, setName] = useState('');
  const [id, setId] = useState('');
  const [token, setToken] = useState('');
  const fields = useId();
  useEffect(onLook, []);
  const pick = (person: Person): void =>
    onPicked({ userId: person.id, name: person.name, token: null });

  function byId(event: Event): void {
    event.preventDefault();
    const userId = id.trim().toLowerCase();
    if (isUuid(userId)) onPicked({ userId, name: null, token: null });
    else setProblem('A user id is a UUID, such as 00000000-0000-4000-8000-00000000000a.');
  }

  function byToken(event: Event): void {
    event.preventDefault();
    const given = token.trim().replace(/^Bearer /i, '');
    const userId = userOfToken(given);
    if (userId !== null) onPicked({ userId, name: null, token: given });
    else setProblem('This is not a JWT with the user’s UUID in “sub” or “userId”.');
  }

  function make(event: Event): void {
    event.preventDefault();
    createPerson(name).then(pick, (error: Error) => setProblem(error.message));
  }

  return (
    <section class="pane sign-in" aria-label={label}>
      <div class="card">
        <div class="row">
          <h2>Who are you?</h2>
          {onClose ? (
            <button type="button" class="round" onClick={onClose} aria-label="Close this pane">
              <Icon name="close" />
            </button>
          ) : null}
        </div>
        {problem === null ? null : (
          <p class="problem" role="alert">
            {problem}
          </p>
        )}
        {settings.auth_mode === 'jwt' ? (
          <form onSubmit={byToken}>
            <label for={`${fields}-token`}>Your token (JWT)</label>
            <textarea
              id={`${fields}-token`}
              rows={5}
              required
              value={token}
              onInput={(event) => setToken(event.currentTarget.value)}
            />
            <button type="submit">Enter</button>
          </form>
        ) : (
          <>
            <ul class="people">
              {settings.people.map((person) => (
                <li key={person.id}>
                  <button type="button" onClick={() => pick(person)}>
                    <Avatar id={person.id} name={nameOf(person)} />
                    <bdi>{nameOf(person)}</bdi>
                    {taken.includes(person.id) ? <small>in the other pane</small> : null}
                  </button>
                </li>
              ))}
            </ul>
            {settings.can_create_people ? (
              <form onSubmit={make} class="inline">
                <label for={`${fields}-name`}>Somebody new</label>
                <input
                  id={`${fields}-name`}
                  placeholder="Name"
                  maxLength={60}
                  required
                  value={name}
                  onInput={(event) => setName(event.currentTarget.value)}
                />
                <button type="submit">Create</button>
              </form>
            ) : null}
            <form onSubmit={byId} class="inline">
              <label for={`${fields}-id`}>By user id</label>
              <input
                id={`${fields}-id`}
                placeholder="UUID of a row in auth.users"
                required
                spellcheck={false}
                value={id}
                onInput={(event) => setId(event.currentTarget.value)}
              />
              <button type="submit">Enter</button>
            </form>
            {settings.can_create_people ? null : (
              <p class="hint">
                People are made by another service here; state the id of one of them.
              </p>
            )}
          </>
        )}
      </div>
    </section>
  );
}
