/** What is being said: text (Enter sends, Shift+Enter breaks the line), an image by URL, a place. */
import { useEffect, useId, useRef, useState } from 'preact/hooks';
import { placeOf, safeUrl } from './format.ts';
import type { NewMessage } from './sender.ts';
import { Icon } from './small.tsx';

/** The service takes 6 s without a word as a stop. */
const TYPING_AGAIN_MS = 3_000;
const TYPING_STOP_MS = 4_000;

interface Props {
  draft: string;
  maxLength: number;
  label: string;
  onDraft(text: string): void;
  onTyping(isTyping: boolean): void;
  onSend(message: NewMessage): void;
}

export function Composer({ draft, maxLength, label, onDraft, onTyping, onSend }: Props) {
  const [text, setText] = useState(draft);
  const [extra, setExtra] = useState<'image' | 'location' | null>(null);
  const box = useRef<HTMLTextAreaElement>(null);
  const typing = useRef<{ sinceMs: number; stop: ReturnType<typeof setTimeout> } | null>(null);
  const length = [...text].length;
  const canSend = text.trim() !== '' && length <= maxLength;

  useEffect(() => {
    // On a phone the keyboard would cover what one came to read.
    if (!matchMedia('(pointer: coarse)').matches) box.current?.focus();
    return stopTyping;
  }, []);

  function stopTyping(): void {
    if (typing.current === null) return;
    clearTimeout(typing.current.stop);
    typing.current = null;
    onTyping(false);
  }

  function typed(value: string): void {
    setText(value);
    onDraft(value);
    if (value === '') {
      stopTyping();
      return;
    }
    const nowMs = performance.now();
    const sinceMs = typing.current?.sinceMs ?? Number.NEGATIVE_INFINITY;
    const isDue = nowMs - sinceMs > TYPING_AGAIN_MS;
    if (isDue) onTyping(true);
    clearTimeout(typing.current?.stop);
    typing.current = {
      sinceMs: isDue ? nowMs : sinceMs,
      stop: setTimeout(stopTyping, TYPING_STOP_MS),
    };
  }

  function say(message: NewMessage): void {
    onSend(message);
    setExtra(null);
    box.current?.focus();
  }

  function sendText(event?: Event): void {
    event?.preventDefault();
    if (!canSend) return;
    stopTyping();
    say({ content: text, message_type: 'text', media_url: null });
    setText('');
    onDraft('');
  }

  function keyed(event: KeyboardEvent): void {
    // While an input method composes a word, Enter takes the word.
    if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) sendText(event);
    if (event.key === 'Escape') setExtra(null);
  }

  const toggle = (kind: 'image' | 'location'): void => setExtra(extra === kind ? null : kind);
  return (
    <div class="composer">
      {extra === 'image' ? <ImageForm onSend={say} /> : null}
      {extra === 'location' ? <PlaceForm onSend={say} /> : null}
      <form onSubmit={sendText}>
        <button
          type="button"
          class="round"
          aria-label="Send an image"
          aria-expanded={extra === 'image'}
          onClick={() => toggle('image')}
        >
          <Icon name="image" />
        </button>
        <button
          type="button"
          class="round"
          aria-label="Send a location"
          aria-expanded={extra === 'location'}
          onClick={() => toggle('location')}
        >
          <Icon name="pin" />
        </button>
        <span class="grow" data-text={`${text}\n`}>
          <textarea
            ref={box}
            rows={1}
            aria-label={label}
            placeholder="Message"
            enterkeyhint="send"
            value={text}
            onInput={(event) => typed(event.currentTarget.value)}
            onKeyDown={keyed}
            onBlur={stopTyping}
          />
        </span>
        {length > maxLength * 0.9 ? (
          <small class={length > maxLength ? 'problem' : ''}>{maxLength - length}</small>
        ) : null}
        <button type="submit" class="round send" aria-label="Send" disabled={!canSend}>
          <Icon name="send" />
        </button>
      </form>
    </div>
  );
}

function ImageForm({ onSend }: { onSend(message: NewMessage): void }) {
  const [url, setUrl] = useState('');
  const [caption, setCaption] = useState('');
  const [problem, setProblem] = useState('');
  const fields = useId();
  const first = useRef<HTMLInputElement>(null);
  useEffect(() => first.current?.focus(), []);

  function send(event: Event): void {
    event.preventDefault();
    const media_url = safeUrl(url.trim());
    if (media_url === null) setProblem('An image is an http or https address.');
    else onSend({ content: caption, message_type: 'image', media_url });
  }
  return (
    <form class="extra" onSubmit={send} noValidate>
      <label for={`${fields}-url`}>Address of the image</label>
      <input
        ref={first}
        id={`${fields}-url`}
        type="url"
        inputMode="url"
        placeholder="https://…"
        value={url}
        aria-describedby={`${fields}-problem`}
        onInput={(event) => setUrl(event.currentTarget.value)}
      />
      <label for={`${fields}-caption`}>Caption</label>
      <input
        id={`${fields}-caption`}
        value={caption}
        onInput={(event) => setCaption(event.currentTarget.value)}
      />
      <p class="problem" id={`${fields}-problem`} role="alert">
        {problem}
      </p>
      <button type="submit">Send image</button>
    </form>
  );
}

function PlaceForm({ onSend }: { onSend(message: NewMessage): void }) {
  const [place, setPlace] = useState('');
  const [problem, setProblem] = useState('');
  const field = useId();
  const first = useRef<HTMLInputElement>(null);
  useEffect(() => first.current?.focus(), []);

  function send(event: Event): void {
    event.preventDefault();
    const read = placeOf(place);
    if (read === null) setProblem('Latitude and longitude in degrees, such as 52.5163, 13.3777.');
    else onSend({ content: `${read.lat},${read.lon}`, message_type: 'location', media_url: null });
  }
  function locate(): void {
    navigator.geolocation.getCurrentPosition(
      ({ coords }) => setPlace(`${coords.latitude.toFixed(6)}, ${coords.longitude.toFixed(6)}`),
      (error) => setProblem(error.message),
    );
  }
  return (
    <form class="extra" onSubmit={send}>
      <label for={field}>Latitude, longitude</label>
      <input
        ref={first}
        id={field}
        placeholder="52.5163, 13.3777"
        value={place}
        onInput={(event) => setPlace(event.currentTarget.value)}
      />
      <p class="problem" role="alert">
        {problem}
      </p>
      <div class="row end">
        {window.isSecureContext && 'geolocation' in navigator ? (
          <button type="button" class="quiet" onClick={locate}>
            Where I am
          </button>
        ) : null}
        <button type="submit">Send location</button>
      </div>
    </form>
  );
}
