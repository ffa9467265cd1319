/** Asks for all that needs no identity, over fifty connections. */
import type { Abuser } from './abuser.ts';
import { createRestCalls } from './rest-calls.ts';

const CONNECTIONS = 50;
const ROUTES: Record<string, string> = {
  metrics: '/metrics',
  docs: '/docs',
  document: '/docs/json',
  ready: '/ready',
  health: '/health',
  page: '/',
};
const EACH_PER_SECOND = 200;

export const openRoutes: Abuser = {
  perSecond: Object.fromEntries(Object.keys(ROUTES).map((kind) => [kind, EACH_PER_SECOND])),
  mustCome: ['metrics accepted', 'ready accepted'],
  begin(place, tell) {
    const calls = createRestCalls(place.port, CONNECTIONS, tell);
    const attempts = Object.entries(ROUTES).map(([kind, path]) => [
      kind,
      () => calls.make(kind, { path, address: '192.0.2.1' }),
    ]);
    return { attempt: Object.fromEntries(attempts), end: calls.end };
  },
};
