/** Every route and every event as something a caller can try; all ids they name are parameters. */
import type { Socket } from 'socket.io-client';
import { type Answer, ask } from '../support/app.ts';

/** What an attempt is about. */
export interface Attempt {
  conversationId: string;
  /** The id in every id field; undefined leaves the fields out. */
  names: string | undefined;
  /** Somebody who is in no conversation: to be added. */
  newcomer: string;
  /** A fresh token of the named person, for refresh_token. */
  token: string;
}

export interface RestCall {
  method: string;
  path: string;
  body?: object;
}

/** The route as the OpenAPI document spells it, and the call. */
export const restOperations: Record<string, { route: string; call(attempt: Attempt): RestCall }> = {
  'GET /health': { route: 'GET /health', call: () => ({ method: 'GET', path: '/health' }) },
  'GET /ready': { route: 'GET /ready', call: () => ({ method: 'GET', path: '/ready' }) },
  'GET /metrics': { route: 'GET /metrics', call: () => ({ method: 'GET', path: '/metrics' }) },
  'GET /demo/settings': {
    route: 'GET /demo/settings',
    call: () => ({ method: 'GET', path: '/demo/settings' }),
  },
  'GET /docs/json': { route: '', call: () => ({ method: 'GET', path: '/docs/json' }) },
  'GET list': {
    route: 'GET /messages/conversations/{userId}',
    call: ({ names }) => ({ method: 'GET', path: `/messages/conversations/${names}` }),
  },
  'GET history': {
    route: 'GET /messages/{conversationId}',
    call: ({ conversationId }) => ({ method: 'GET', path: `/messages/${conversationId}` }),
  },
  'POST conversation': {
    route: 'POST /messages',
    call: ({ names, newcomer }) => ({
      method: 'POST',
      path: '/messages',
      body: { participant_ids: [names, newcomer] },
    }),
  },
  'POST keyed conversation': {
    route: 'POST /messages',
    call: ({ names, newcomer }) => ({
      method: 'POST',
      path: '/messages',
      body: {
        participant_ids: [names, newcomer],
        client_conversation_id: `${names}${newcomer}`.slice(-64),
      },
    }),
  },
  'POST message': {
    route: 'POST /messages/{conversationId}',
    call: ({ conversationId, names }) => ({
      method: 'POST',
      path: `/messages/${conversationId}`,
      body: { content: 'x', sender_id: names },
    }),
  },
  'POST mark-read': {
    route: 'POST /messages/{conversationId}/mark-read',
    call: ({ conversationId, names }) => ({
      method: 'POST',
      path: `/messages/${conversationId}/mark-read`,
      body: { user_id: names },
    }),
  },
  'PUT participant': {
    route: 'PUT /messages/{conversationId}/participants/{userId}',
    call: ({ conversationId, newcomer }) => ({
      method: 'PUT',
      path: `/messages/${conversationId}/participants/${newcomer}`,
    }),
  },
  'DELETE participant': {
    route: 'DELETE /messages/{conversationId}/participants/{userId}',
    call: ({ conversationId, names }) => ({
      method: 'DELETE',
      path: `/messages/${conversationId}/participants/${names}`,
    }),
  },
  'POST disconnect': {
    route: 'POST /messages/users/{userId}/disconnect',
    call: ({ names }) => ({ method: 'POST', path: `/messages/users/${names}/disconnect` }),
  },
};

/** The event and its payload. */
export const socketOperations: Record<
  string,
  { event: string; payload(attempt: Attempt): object }
> = {
  join_conversation: {
    event: 'join_conversation',
    payload: ({ conversationId, names }) => ({ conversation_id: conversationId, user_id: names }),
  },
  'join with after_seq': {
    event: 'join_conversation',
    payload: ({ conversationId, names }) => ({
      conversation_id: conversationId,
      user_id: names,
      after_seq: 0,
    }),
  },
  leave_conversation: {
    event: 'leave_conversation',
    payload: ({ conversationId, names }) => ({ conversation_id: conversationId, user_id: names }),
  },
  send_message: {
    event: 'send_message',
    payload: ({ conversationId, names }) => ({
      conversation_id: conversationId,
      sender_id: names,
      content: 'x',
    }),
  },
  ...Object.fromEntries(
    ['typing_start', 'typing_stop', 'mark_read'].map((event) => [
      event,
      {
        event,
        payload: ({ conversationId, names }: Attempt) => ({
          conversation_id: conversationId,
          user_id: names,
        }),
      },
    ]),
  ),
  message_delivered: {
    event: 'message_delivered',
    payload: ({ conversationId, names }) => ({
      conversation_id: conversationId,
      user_id: names,
      up_to_seq: 1,
    }),
  },
  refresh_token: { event: 'refresh_token', payload: ({ token }) => ({ token }) },
};

export interface RestAnswer {
  status: number;
  body: Answer;
}

export async function callRest(
  url: string,
  { method, path, body }: RestCall,
  headers: Record<string, string>,
): Promise<RestAnswer> {
  const response = await fetch(url + path, {
    method,
    headers: { ...headers, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const isJson = response.headers.get('content-type')?.startsWith('application/json') === true;
  if (!isJson) await response.arrayBuffer();
  const plain: Answer = { success: response.ok, data: {}, error: { code: '', message: '' } };
  return { status: response.status, body: isJson ? ((await response.json()) as Answer) : plain };
}

export function callSocket(client: Socket, operation: string, attempt: Attempt): Promise<Answer> {
  const { event, payload } = socketOperations[operation] ?? {
    event: operation,
    payload: () => ({}),
  };
  return ask(client, event, payload(attempt));
}
