import { Type } from '@sinclair/typebox';
import { ChatError } from '../chat/errors.ts';
import { Failure, Success } from './envelope.ts';
import type { Routes } from './routes.ts';

/** What `/ready` looks at: a sentence per check that is not as it should be. */
export interface Readiness {
  ready: boolean;
  /** Check name → `ok` or what is wrong. */
  checks: Record<string, string>;
}

export interface HealthDeps {
  version: string;
  /** Which of several processes this is; left out: the only one. */
  worker?: number;
  readiness(): Promise<Readiness>;
}

const Health = Type.Object({
  status: Type.Literal('healthy'),
  service: Type.Literal('messaging-service'),
  version: Type.String(),
  uptime_seconds: Type.Number(),
  worker: Type.Optional(Type.Object({ number: Type.Integer(), pid: Type.Integer() })),
});
const Ready = Type.Object({
  status: Type.Literal('ready'),
  checks: Type.Record(Type.String(), Type.String()),
});

/** `/health` and `/ready`, for orchestrators and balancers. */
export function healthRoutes({ version, worker, readiness }: HealthDeps): Routes {
  return async (fastify) => {
    fastify.get(
      '/health',
      {
        schema: {
          operationId: 'getHealth',
          summary: 'Alive',
          tags: ['operations'],
          response: { 200: Success(Health) },
        },
      },
      async () => ({
        success: true as const,
        data: {
          status: 'healthy' as const,
          service: 'messaging-service' as const,
          version,
          uptime_seconds: Math.round(process.uptime()),
          ...(worker === undefined ? {} : { worker: { number: worker, pid: process.pid } }),
        },
      }),
    );

    fastify.get(
      '/ready',
      {
        schema: {
          operationId: 'getReadiness',
          summary: 'Fit to take traffic; the failing check is named',
          tags: ['operations'],
          response: { 200: Success(Ready), 503: Failure },
        },
      },
      async () => {
        const { ready, checks } = await readiness();
        if (!ready) {
          const failing = Object.entries(checks).filter(([, state]) => state !== 'ok');
          const names = failing.map(([name]) => name).join(', ');
          throw new ChatError('unavailable', `Not ready: ${names}.`, Object.fromEntries(failing));
        }
        return { success: true as const, data: { status: 'ready' as const, checks } };
      },
    );
  };
}
