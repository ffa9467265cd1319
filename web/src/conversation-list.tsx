/** The conversations, latest first, with the last words and what is unread. */
import type { ChatClient } from './chat-client.ts';
import { summaryOf, titleOf, whenOf } from './format.ts';
import { Avatar } from './small.tsx';
import type { Thread } from './thread.ts';

interface Props {
  client: ChatClient;
  active: string | null;
  onPick(id: string): void;
}

export function ConversationList({ client, active, onPick }: Props) {
  const threads = [...client.threads.values()].sort((a, b) => (timeOf(a) < timeOf(b) ? 1 : -1));
  if (threads.length === 0) {
    return <p class="hint">{client.listed ? 'None yet.' : 'Loading …'}</p>;
  }
  return (
    <ul class="conversations">
      {threads.map((thread) => (
        <Item
          key={thread.id}
          thread={thread}
          me={client.me}
          isActive={thread.id === active}
          onPick={onPick}
        />
      ))}
    </ul>
  );
}

function Item(props: { thread: Thread; me: string; isActive: boolean; onPick(id: string): void }) {
  const { thread, me, isActive, onPick } = props;
  const title = titleOf(thread, me);
  const other = thread.participants.find(({ id }) => id !== me);
  const unread = isActive ? 0 : thread.unread;
  return (
    <li>
      <button
        type="button"
        class="conversation"
        aria-current={isActive ? 'true' : undefined}
        data-conversation={thread.id}
        onClick={() => onPick(thread.id)}
      >
        <Avatar id={other?.id ?? me} name={title} />
        <span class="what">
          <span class="title">
            <bdi>{title}</bdi>
          </span>
          <span class="last" dir="auto">
            {lastLine(thread, me)}
          </span>
        </span>
        <span class="when">
          {thread.lastMessage === null ? null : (
            <time dateTime={thread.lastMessage.created_at}>
              {whenOf(thread.lastMessage.created_at)}
            </time>
          )}
          {unread > 0 ? (
            <span class="count">
              {unread > 99 ? '99+' : unread}
              <span class="hidden"> unread</span>
            </span>
          ) : null}
        </span>
      </button>
    </li>
  );
}

function lastLine(thread: Thread, me: string): string {
  const typists = [...thread.typing.values()].map(({ name }) => name);
  if (typists.length > 0) return `${typists.join(', ')} typing …`;
  const waiting = thread.outgoing.at(-1);
  if (waiting !== undefined) return `You: ${summaryOf(waiting)}`;
  const last = thread.lastMessage;
  if (last === null) return 'No messages yet';
  const isGroup = thread.participants.length > 2;
  const who =
    last.sender_id === me ? 'You: ' : isGroup ? `${last.sender_name ?? 'Somebody'}: ` : '';
  return who + summaryOf(last);
}

const timeOf = ({ lastMessage, createdAt }: Thread): string => lastMessage?.created_at ?? createdAt;
