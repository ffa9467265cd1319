import { Type } from '@sinclair/typebox';
import type { Conversations } from '../chat/conversations.ts';
import {
  Conversation,
  ConversationSummary,
  ConversationsQuery,
  CreateConversationInput,
  ParticipantChange,
  Uuid,
} from '../chat/schemas.ts';
import { callerOf } from './caller.ts';
import { failures, Success } from './envelope.ts';
import type { Routes } from './routes.ts';

const ofUser = Type.Object({ userId: Uuid });
const ofParticipant = Type.Object({ conversationId: Uuid, userId: Uuid });

/** The calls about conversations and who takes part; see docs/rest.md. */
export function conversationRoutes(conversations: Conversations): Routes {
  return async (fastify) => {
    fastify.get(
      '/messages/conversations/:userId',
      {
        schema: {
          operationId: 'listConversations',
          summary: "A user's conversations, latest first",
          tags: ['conversations'],
          params: ofUser,
          querystring: ConversationsQuery,
          response: {
            200: Type.Object({
              ...Success(Type.Array(ConversationSummary)).properties,
              next_cursor: Type.Unsafe<string | null>({ type: ['string', 'null'] }),
            }),
            ...failures,
          },
        },
      },
      async (request) => {
        const page = await conversations.list(
          callerOf(request),
          request.params.userId,
          request.query,
        );
        return {
          success: true as const,
          data: page.conversations,
          next_cursor: page.nextCursor,
        };
      },
    );

    fastify.post(
      '/messages',
      {
        schema: {
          operationId: 'createConversation',
          summary: 'Create a conversation, or find the one its match has',
          tags: ['conversations'],
          body: CreateConversationInput,
          response: { 200: Success(Conversation), 201: Success(Conversation), ...failures },
        },
      },
      async (request, reply) => {
        const result = await conversations.create(callerOf(request), request.body);
        reply.code(result.created ? 201 : 200);
        return { success: true as const, data: result.conversation };
      },
    );

    fastify.post(
      '/messages/users/:userId/disconnect',
      {
        schema: {
          operationId: 'disconnectUser',
          summary: "End a person's connections on every node (service only)",
          tags: ['users'],
          params: ofUser,
          response: { 200: Success(Type.Object({ user_id: Uuid })), ...failures },
        },
      },
      async (request) => ({
        success: true as const,
        data: await conversations.disconnectUser(callerOf(request), request.params.userId),
      }),
    );

    fastify.put(
      '/messages/:conversationId/participants/:userId',
      {
        schema: {
          operationId: 'addParticipant',
          summary: 'Add a participant',
          tags: ['conversations'],
          params: ofParticipant,
          response: { 200: Success(ParticipantChange), ...failures },
        },
      },
      async (request) => {
        const { conversationId, userId } = request.params;
        const data = await conversations.addParticipant(callerOf(request), conversationId, userId);
        return { success: true as const, data };
      },
    );

    fastify.delete(
      '/messages/:conversationId/participants/:userId',
      {
        schema: {
          operationId: 'removeParticipant',
          summary: 'Remove a participant; their sockets leave at once',
          tags: ['conversations'],
          params: ofParticipant,
          response: { 200: Success(ParticipantChange), ...failures },
        },
      },
      async (request) => {
        const { conversationId, userId } = request.params;
        const caller = callerOf(request);
        const data = await conversations.removeParticipant(caller, conversationId, userId);
        return { success: true as const, data };
      },
    );
  };
}
