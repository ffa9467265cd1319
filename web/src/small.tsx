/** The small pieces: avatar, ticks, icons. */
import type { MessageStatus } from 'messaging-service/events';
import { hueOf } from './format.ts';
import type { Outgoing } from './thread.ts';

export function Avatar({ id, name }: { id: string; name: string }) {
  const initial = [...name.trim()][0]?.toLocaleUpperCase() ?? '?';
  return (
    <span class={`avatar hue-${hueOf(id)}`} aria-hidden="true">
      {initial}
    </span>
  );
}

const PATHS = {
  send: 'M4 12 20 4l-5 16-3.5-6.5z',
  plus: 'M12 5v14M5 12h14',
  back: 'M15 5l-7 7 7 7',
  close: 'M6 6l12 12M18 6 6 18',
  down: 'M12 5v14m-6-6 6 6 6-6',
  split: 'M4 5h16v14H4zM12 5v14',
  compose: 'M12 20h8M5 15.5 16 4.5l3.5 3.5L8.5 19 4 20z',
  person: 'M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM4.5 20c1-4 4-6 7.5-6s6.5 2 7.5 6',
  image: 'M4 5h16v14H4zM4 16l5-5 4 4 2-2 5 5M15.5 9.5h.01',
  pin: 'M12 21c-4-5-6-8-6-11a6 6 0 0 1 12 0c0 3-2 6-6 11zM12 12a2 2 0 1 0 0-4 2 2 0 0 0 0 4z',
} as const;

export function Icon({ name }: { name: keyof typeof PATHS }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}

const TICKS = {
  waiting: { label: 'Waiting to be sent', path: 'M8 3.5a5 5 0 1 0 .01 0M8 6v2.5l1.8 1' },
  failed: { label: 'Not sent', path: 'M8 3v6M8 11.5v.5' },
  sent: { label: 'Sent', path: 'm4 8.5 3 3 6-7' },
  delivered: { label: 'Delivered', path: 'm1 8.5 3 3 6-7M8 10.5l1 1 6-7' },
  read: { label: 'Read', path: 'm1 8.5 3 3 6-7M8 10.5l1 1 6-7' },
} as const;

export function Ticks({ status }: { status: MessageStatus | Outgoing['state'] }) {
  const shown = status === 'stored' ? 'sent' : status;
  const { label, path } = TICKS[shown];
  return (
    <svg class={`ticks ${shown}`} viewBox="0 0 16 16" role="img" aria-label={label}>
      <title>{label}</title>
      <path d={path} />
    </svg>
  );
}
