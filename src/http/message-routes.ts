import { Type } from '@sinclair/typebox';
import type { Cursors } from '../chat/cursors.ts';
import type { Messages } from '../chat/messages.ts';
import {
  HistoryPage,
  HistoryQuery,
  MarkReadInput,
  ReadResult,
  SendInput,
  SentMessage,
  Uuid,
} from '../chat/schemas.ts';
import { callerOf } from './caller.ts';
import { failures, Success } from './envelope.ts';
import type { Routes } from './routes.ts';

const ofConversation = Type.Object({ conversationId: Uuid });

/** The calls about messages and marks; see docs/rest.md. */
export function messageRoutes(messages: Messages, cursors: Cursors): Routes {
  return async (fastify) => {
    fastify.get(
      '/messages/:conversationId',
      {
        schema: {
          operationId: 'listMessages',
          summary: 'A page of messages in chronological order',
          tags: ['messages'],
          params: ofConversation,
          querystring: HistoryQuery,
          response: { 200: Success(HistoryPage), ...failures },
        },
        // A page is many strings: the engine writes them faster than Fastify's own serialiser, which
        // joins each to the last. The store makes the messages field by field, so none slips through.
        serializerCompiler: () => JSON.stringify,
      },
      async (request) => {
        const { conversationId } = request.params;
        const data = await messages.history(callerOf(request), conversationId, request.query);
        return { success: true as const, data };
      },
    );

    fastify.post(
      '/messages/:conversationId',
      {
        schema: {
          operationId: 'sendMessage',
          summary: 'Send a message; 200 with duplicate for a repeated client_message_id',
          tags: ['messages'],
          params: ofConversation,
          body: SendInput,
          response: { 200: Success(SentMessage), 201: Success(SentMessage), ...failures },
        },
      },
      async (request, reply) => {
        const { conversationId } = request.params;
        const data = await messages.send(callerOf(request), conversationId, request.body);
        reply.code(data.duplicate ? 200 : 201);
        return { success: true as const, data };
      },
    );

    fastify.post(
      '/messages/:conversationId/mark-read',
      {
        schema: {
          operationId: 'markRead',
          summary: 'Mark messages as read up to a position, or all of them',
          tags: ['messages'],
          params: ofConversation,
          body: MarkReadInput,
          response: { 200: Success(ReadResult), ...failures },
        },
      },
      async (request) => {
        const { conversationId } = request.params;
        const data = await cursors.markRead(callerOf(request), conversationId, request.body);
        return { success: true as const, data };
      },
    );
  };
}
