/** Times, names and addresses as a reader sees them. */
import type { Person } from 'messaging-service/events';
import type { Thread } from './thread.ts';

const time = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
const day = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long' });
const shortDay = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short' });

export const timeOf = (iso: string): string => time.format(new Date(iso));

export function dayOf(iso: string): string {
  const date = new Date(iso);
  const today = new Date();
  const yesterday = new Date(today.getFullYear(), today.getMonth(), today.getDate() - 1);
  if (date.toDateString() === today.toDateString()) return 'Today';
  if (date.toDateString() === yesterday.toDateString()) return 'Yesterday';
  return day.format(date);
}

/** When something was, as the list shows it: the time if it was today, else the day. */
export function whenOf(iso: string): string {
  const date = new Date(iso);
  const isToday = date.toDateString() === new Date().toDateString();
  return isToday ? time.format(date) : shortDay.format(date);
}

export const nameOf = (person: Person | undefined): string => person?.name ?? 'Somebody';

/** The others' names. */
export function titleOf(thread: Thread, me: string): string {
  const others = thread.participants.filter(({ id }) => id !== me);
  if (others.length === 0) return thread.participants.length > 0 ? 'Notes to yourself' : '…';
  return others.map(nameOf).join(', ');
}

/** What a message says in one line. */
export function summaryOf(message: { content: string; message_type: string }): string {
  if (message.message_type === 'image')
    return message.content === '' ? 'Image' : `Image: ${message.content}`;
  if (message.message_type === 'location') return 'Location';
  return message.content;
}

/** The address where it is one a page may show; anything but http and https is not. */
export function safeUrl(text: string | null): string | null {
  if (text === null || !URL.canParse(text)) return null;
  const url = new URL(text);
  return url.protocol === 'http:' || url.protocol === 'https:' ? url.href : null;
}

/** `"lat,lon"` as numbers; null when it is something else. */
export function placeOf(content: string): { lat: number; lon: number } | null {
  const match = /^\s*([+-]?\d{1,3}(?:\.\d+)?)\s*,\s*([+-]?\d{1,3}(?:\.\d+)?)\s*$/.exec(content);
  const lat = Number(match?.[1]);
  const lon = Number(match?.[2]);
  return match !== null && Math.abs(lat) <= 90 && Math.abs(lon) <= 180 ? { lat, lon } : null;
}

export const isUuid = (text: string): boolean =>
  /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i.test(text);

/** The person a token is of, unverified: the service verifies it. */
export function userOfToken(token: string): string | null {
  try {
    const body = (token.split('.')[1] ?? '').replaceAll('-', '+').replaceAll('_', '/');
    const claims: { sub?: unknown; userId?: unknown } = JSON.parse(atob(body));
    const id = String(claims.sub ?? claims.userId ?? '');
    return isUuid(id) ? id.toLowerCase() : null;
  } catch {
    return null; // not a JWT
  }
}

/** One of the avatars' colours, the same for a person everywhere. */
export function hueOf(id: string): number {
  let hash = 0;
  for (const char of id) hash = (hash * 31 + char.charCodeAt(0)) % 9973;
  return hash % 8;
}
