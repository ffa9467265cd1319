/**
 * One message. Whatever it says is text: nothing in it becomes markup, script, style or an address
 * but the image's http(s) URL and the link of a place made from two numbers.
 */

import type { Message } from 'messaging-service/events';
import { memo } from 'preact/compat';
import { useState } from 'preact/hooks';
import { placeOf, safeUrl, timeOf } from './format.ts';
import { Avatar, Icon, Ticks } from './small.tsx';
import type { Outgoing } from './thread.ts';

interface StoredProps {
  message: Message;
  isMine: boolean;
  /** The day, where a new one begins. */
  day: string | null;
  /** Goes on from the same person's message just before. */
  follows: boolean;
}

export const StoredItem = memo(({ message, isMine, day, follows }: StoredProps) => {
  const name = message.sender_name ?? 'Somebody';
  const time = timeOf(message.created_at);
  return (
    <>
      {day === null ? null : <li class="day">{day}</li>}
      <li
        class={`message ${isMine ? 'mine' : 'theirs'} ${follows ? 'follows' : ''}`}
        data-seq={message.seq}
        data-status={message.status}
      >
        {isMine || follows ? null : <Avatar id={message.sender_id} name={name} />}
        <article class={`bubble ${message.message_type}`}>
          {isMine ? (
            <span class="hidden">You: </span>
          ) : (
            <span class={follows ? 'hidden' : 'sender'}>
              <bdi>{name}</bdi>
            </span>
          )}
          <Body message={message} />
          <span class="meta">
            <time dateTime={message.created_at}>{time}</time>
            {isMine ? <Ticks status={message.status} /> : null}
          </span>
        </article>
      </li>
    </>
  );
});

interface OutgoingProps {
  item: Outgoing;
  onRetry(item: Outgoing): void;
  onDiscard(item: Outgoing): void;
}

export function OutgoingItem({ item, onRetry, onDiscard }: OutgoingProps) {
  return (
    <li class={`message mine outgoing ${item.state}`} data-outgoing={item.state}>
      <article class={`bubble ${item.message_type}`}>
        <span class="hidden">You: </span>
        <Body message={item} />
        <span class="meta">
          <time dateTime={item.created_at}>{timeOf(item.created_at)}</time>
          <Ticks status={item.state} />
        </span>
      </article>
      {item.state === 'failed' ? (
        <p class="failure" role="alert">
          {item.reason ?? 'It was refused.'}{' '}
          <button type="button" class="link" onClick={() => onRetry(item)}>
            Send again
          </button>{' '}
          <button type="button" class="link" onClick={() => onDiscard(item)}>
            Discard
          </button>
        </p>
      ) : null}
    </li>
  );
}

function Body({ message }: { message: Pick<Message, 'content' | 'message_type' | 'media_url'> }) {
  const { content, message_type, media_url } = message;
  const url = message_type === 'image' ? safeUrl(media_url) : null;
  if (url !== null) return <Picture url={url} caption={content} />;
  const place = message_type === 'location' ? placeOf(content) : null;
  if (place !== null) return <Place {...place} />;
  return (
    <span class="text" dir="auto">
      {content}
    </span>
  );
}

function Picture({ url, caption }: { url: string; caption: string }) {
  const [isBroken, setBroken] = useState(false);
  return (
    <>
      {isBroken ? (
        <span class="broken">
          <Icon name="image" /> The image cannot be shown.
        </span>
      ) : (
        <img
          src={url}
          alt={caption || 'Image'}
          referrerpolicy="no-referrer"
          loading="lazy"
          decoding="async"
          onError={() => setBroken(true)}
        />
      )}
      {caption === '' ? null : (
        <span class="text" dir="auto">
          {caption}
        </span>
      )}
    </>
  );
}

function Place({ lat, lon }: { lat: number; lon: number }) {
  const href = `https://www.openstreetmap.org/?mlat=${lat}&mlon=${lon}#map=15/${lat}/${lon}`;
  return (
    <a class="place" href={href} target="_blank" rel="noopener noreferrer">
      <Icon name="pin" />
      <span>
        Location
        <small>
          {lat.toFixed(4)}, {lon.toFixed(4)}
        </small>
      </span>
    </a>
  );
}
