/**
 * A conversation: the log, who is typing, and what to say. It stays at the newest message unless its
 * reader has scrolled up; older messages are loaded as the reader comes near the oldest one.
 */
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { ChatClient } from './chat-client.ts';
import { Composer } from './composer.tsx';
import { dayOf, titleOf } from './format.ts';
import { OutgoingItem, StoredItem } from './message-item.tsx';
import { Icon } from './small.tsx';
import type { Thread } from './thread.ts';

const NEAR_END_PX = 60;
const NEAR_START_PX = 300;
const GROUP_MS = 5 * 60_000;

interface Props {
  client: ChatClient;
  thread: Thread;
  /** What has been typed and not sent, by conversation. */
  drafts: Map<string, string>;
  maxLength: number;
  onBack(): void;
}

export function ThreadView({ client, thread, drafts, maxLength, onBack }: Props) {
  const { id, first, head, messages, outgoing } = thread;
  const log = useRef<HTMLElement>(null);
  const list = useRef<HTMLOListElement>(null);
  /** Where the view was when it was drawn last. */
  const before = useRef({ first, fromEnd: 0 });
  const [isAtEnd, setAtEnd] = useState(true);
  const atEnd = useRef(true);
  const title = titleOf(thread, client.me);
  const isGroup = thread.participants.length > 2;

  function follow(): void {
    const box = log.current;
    if (box === null) return;
    if (atEnd.current) box.scrollTop = box.scrollHeight;
    before.current.fromEnd = box.scrollHeight - box.scrollTop;
  }

  function scrolled(): void {
    const box = log.current;
    if (box === null) return;
    before.current.fromEnd = box.scrollHeight - box.scrollTop;
    atEnd.current = before.current.fromEnd - box.clientHeight < NEAR_END_PX;
    setAtEnd(atEnd.current);
    if (box.scrollTop < NEAR_START_PX) void client.loadOlder(id);
  }

  function seen(): void {
    if (atEnd.current && head !== null && document.visibilityState === 'visible') {
      client.markRead(id, head);
    }
  }

  useLayoutEffect(() => {
    const box = log.current;
    if (box === null) return;
    // Older ones came in above: what is being read stays where it is.
    if (first < before.current.first && !atEnd.current) {
      box.scrollTop = box.scrollHeight - before.current.fromEnd;
    }
    before.current.first = first;
    follow();
  });
  useEffect(() => {
    const box = log.current;
    seen();
    const isShort = box !== null && box.scrollHeight <= box.clientHeight + NEAR_START_PX;
    if (isShort && first > 1 && head !== null && thread.problem === null) void client.loadOlder(id);
  }, [head, first, isAtEnd]);
  useEffect(() => {
    document.addEventListener('visibilitychange', seen);
    return () => document.removeEventListener('visibilitychange', seen);
  });
  useEffect(() => {
    // Pictures arrive late, the keyboard of a phone takes room.
    const observer = new ResizeObserver(follow);
    for (const element of [log.current, list.current]) if (element) observer.observe(element);
    return () => observer.disconnect();
  }, []);

  function toEnd(): void {
    atEnd.current = true;
    setAtEnd(true);
    follow();
  }

  const typists = [...thread.typing.values()].map(({ name }) => name);
  return (
    <>
      <header class="talk">
        <button type="button" class="round back" onClick={onBack} aria-label="Back to the list">
          <Icon name="back" />
        </button>
        <h2>
          <bdi>{title}</bdi>
        </h2>
        {isGroup ? <small>{thread.participants.length} people</small> : null}
      </header>
      <section
        class="log"
        ref={log}
        role="log"
        aria-label={`Messages with ${title}`}
        aria-busy={thread.loading}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls is reached with the keyboard
        tabIndex={0}
        onScroll={scrolled}
      >
        <p class="start">
          {thread.problem !== null ? (
            <button type="button" class="link" onClick={() => void client.loadOlder(id)}>
              {thread.problem} Try again
            </button>
          ) : thread.loading ? (
            'Loading …'
          ) : first <= 1 && head !== null ? (
            'This is the beginning.'
          ) : (
            ''
          )}
        </p>
        <ol ref={list}>
          {messages.map((message, index) => {
            const previous = messages[index - 1];
            const day = dayOf(message.created_at);
            const isNewDay = previous === undefined || dayOf(previous.created_at) !== day;
            const follows =
              !isNewDay &&
              previous.sender_id === message.sender_id &&
              Math.abs(Date.parse(message.created_at) - Date.parse(previous.created_at)) < GROUP_MS;
            return (
              <StoredItem
                key={message.id}
                message={message}
                isMine={message.sender_id === client.me}
                day={isNewDay ? day : null}
                follows={follows}
              />
            );
          })}
          {outgoing.map((item) => (
            <OutgoingItem
              key={item.client_message_id}
              item={item}
              onRetry={client.retry}
              onDiscard={client.discard}
            />
          ))}
        </ol>
      </section>
      {isAtEnd ? null : (
        <button type="button" class="to-end" onClick={toEnd} aria-label="To the newest message">
          <Icon name="down" />
          {thread.unread > 0 ? <span class="count">{thread.unread}</span> : null}
        </button>
      )}
      <p class="typing" role="status">
        {typists.length === 0
          ? ''
          : `${typists.join(', ')} ${typists.length === 1 ? 'is' : 'are'} typing …`}
      </p>
      <Composer
        draft={drafts.get(id) ?? ''}
        maxLength={maxLength}
        label={`Message to ${title}`}
        onDraft={(text) => drafts.set(id, text)}
        onTyping={(isTyping) => client.typing(id, isTyping)}
        onSend={(message) => {
          client.send(id, message);
          toEnd();
        }}
      />
    </>
  );
}
