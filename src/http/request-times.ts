/**
 * Tells how long each route takes to answer. Where nobody counts nothing is added to a request; else
 * one call when its answer is sent. What a client aborted has no answer and is not told.
 */
import type { onResponseHookHandler, RouteOptions } from 'fastify';

/** Who counts. Observers are told the answer's status and how many milliseconds it took. */
export interface RequestTimes {
  /** The observer of one route's answers; asked for once for each route. */
  route(method: string, pattern: string): (status: number, durationMs: number) => void;
  noRoute(method: string): (status: number, durationMs: number) => void;
}

/** A hook `onRoute`: times every route that is added after it. */
export function routeTimer(times: RequestTimes) {
  return (route: Pick<RouteOptions, 'method' | 'url' | 'onResponse'>): void => {
    const observers = new Map(
      [route.method].flat().map((method) => [method, times.route(method, route.url)]),
    );
    const observe: onResponseHookHandler = (request, reply, done) => {
      observers.get(request.method)?.(reply.statusCode, reply.elapsedTime);
      done();
    };
    route.onResponse = [observe, ...[route.onResponse ?? []].flat()];
  };
}
