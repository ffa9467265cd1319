/** One person's chat: their conversations, those that are open, and how the connection is. */
import { useEffect, useReducer, useRef, useState } from 'preact/hooks';
import { type ChatClient, createChatClient } from './chat-client.ts';
import { ConnectionBadge, ConnectionTrouble } from './connection.tsx';
import { ConversationList } from './conversation-list.tsx';
import { nameOf, titleOf } from './format.ts';
import { NewConversation } from './new-conversation.tsx';
import type { Identity, PageSettings } from './rest.ts';
import { Avatar, Icon } from './small.tsx';
import { ThreadView } from './thread-view.tsx';

interface Props {
  identity: Identity;
  settings: PageSettings;
  /** The people are looked at: the newest are wanted. */
  onLook(): void;
  /** Called with the same person and another token. */
  onRenewed(identity: Identity): void;
  /** Somebody else wants this pane. */
  onLeave(): void;
  onClose?(): void;
}

/** A client for as long as the pane lives; the pane is drawn again whenever something has changed. */
function useChatClient(identity: Identity, onRenewed: (identity: Identity) => void): ChatClient {
  const [, redraw] = useReducer((count: number) => count + 1, 0);
  const [client] = useState(() =>
    createChatClient({
      identity,
      storage: localStorage,
      onChange: () => redraw(undefined),
      onRenewed,
    }),
  );
  useEffect(() => () => client.close(), [client]);
  return client;
}

export function Pane({ identity, settings, onLook, onRenewed, onLeave, onClose }: Props) {
  const client = useChatClient(identity, onRenewed);
  const [open, setOpen] = useState<readonly string[]>([]);
  const [active, setActive] = useState<string | null>(null);
  const [isMaking, setMaking] = useState(false);
  const drafts = useRef(new Map<string, string>());

  const threads = [...client.threads.values()];
  const known = threads.flatMap(({ participants }) => participants);
  const myself = known.find(({ id }) => id === client.me);
  const name = identity.name ?? myself?.name ?? 'You';
  const shown = active === null ? undefined : client.threads.get(active);
  const tabs = open.filter((id) => client.threads.has(id));

  function show(id: string): void {
    client.open(id);
    setOpen((ids) => (ids.includes(id) ? ids : [...ids, id]));
    setActive(id);
    setMaking(false);
  }
  function closeTab(id: string): void {
    client.leave(id);
    const left = tabs.filter((other) => other !== id);
    setOpen(left);
    if (active === id) setActive(left.at(-1) ?? null);
  }

  const view = isMaking ? 'making' : shown === undefined ? 'list' : 'thread';
  return (
    <section class={`pane showing-${view}`} aria-label={`${name}’s messages`}>
      <header class="me">
        <Avatar id={client.me} name={name} />
        <strong>
          <bdi>{name}</bdi>
        </strong>
        <ConnectionBadge client={client} />
        <button type="button" class="round" onClick={onLeave} aria-label="Be somebody else">
          <Icon name="person" />
        </button>
        {onClose ? (
          <button type="button" class="round" onClick={onClose} aria-label="Close this pane">
            <Icon name="close" />
          </button>
        ) : null}
      </header>
      <ConnectionTrouble client={client} onLeave={onLeave} />
      <div class="body">
        <nav class="side" aria-label="Conversations">
          <div class="row">
            <h2>Conversations</h2>
            <button
              type="button"
              class="round"
              onClick={() => {
                onLook();
                setMaking(true);
              }}
              aria-label="New conversation"
            >
              <Icon name="compose" />
            </button>
          </div>
          <ConversationList client={client} active={active} onPick={show} />
        </nav>
        <div class="stage">
          {tabs.length > 1 && !isMaking ? (
            <ul class="tabs" aria-label="Open conversations">
              {tabs.map((id) => {
                const thread = client.threads.get(id);
                if (thread === undefined) return null;
                const title = titleOf(thread, client.me);
                return (
                  <li key={id} class={id === active ? 'on' : ''}>
                    <button
                      type="button"
                      aria-current={id === active ? 'true' : undefined}
                      onClick={() => show(id)}
                    >
                      <bdi>{title}</bdi>
                      {thread.unread > 0 && id !== active ? (
                        <span class="count">{thread.unread}</span>
                      ) : null}
                    </button>
                    <button
                      type="button"
                      class="x"
                      onClick={() => closeTab(id)}
                      aria-label={`Close ${title}`}
                    >
                      <Icon name="close" />
                    </button>
                  </li>
                );
              })}
            </ul>
          ) : null}
          {isMaking ? (
            <NewConversation
              client={client}
              known={[...settings.people, ...known]}
              onMade={show}
              onCancel={() => setMaking(false)}
            />
          ) : shown === undefined ? (
            <p class="empty">
              {threads.length === 0 && client.listed
                ? `Nobody has written yet, ${nameOf({ id: client.me, name })}. Start a conversation.`
                : 'Pick a conversation.'}
            </p>
          ) : (
            <ThreadView
              key={shown.id}
              client={client}
              thread={shown}
              drafts={drafts.current}
              maxLength={settings.max_content_length}
              onBack={() => setActive(null)}
            />
          )}
        </div>
      </div>
    </section>
  );
}
