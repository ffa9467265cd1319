/** The ports a process listens on: that of everything, and one for its figures where that is wanted. */
import type { Config } from './config.ts';
import { type MetricsDeps, serveMetricsAlone } from './http/metrics-routes.ts';
import {
  createUwsApp,
  type Listening,
  listenExclusive,
  listenShared,
  type TemplatedApp,
} from './realtime/uws.ts';

export interface PortsDeps {
  /** The app that serves everything; its routes have been added. */
  app: TemplatedApp;
  config: Pick<Config, 'host' | 'port' | 'metrics'>;
  figures: MetricsDeps;
  /** A port that other processes of ours share, as they do that of figures; left out: exclusive ones. */
  sharedPort?: number;
}

export interface Ports {
  readonly port: number;
  /** The port of the figures; null: they have none of their own. */
  readonly metricsPort: number | null;
  /** Takes no new connections any more but for figures. */
  stop(): void;
  /** Nothing listens any more, and nothing is served. */
  close(): void;
}

/**
 * Listens on both ports.
 *
 * @throws ListenError with one sentence when one of them cannot be had; then neither is taken
 */
export async function openPorts({ app, config, figures, sharedPort }: PortsDeps): Promise<Ports> {
  const listen = sharedPort === undefined ? listenExclusive : listenShared;
  const { host, metrics } = config;
  let alone: { app: TemplatedApp; listening: Listening } | null = null;
  if (metrics.port !== null) {
    // Plain, whatever the other port speaks: it is for a private network.
    const metricsApp = createUwsApp();
    serveMetricsAlone(metricsApp, figures);
    alone = { app: metricsApp, listening: await listen(metricsApp, host, metrics.port) };
  }
  const closeAlone = (): void => {
    alone?.listening.stop();
    alone?.app.close();
  };
  const listening = await listen(app, host, sharedPort ?? config.port).catch((error: unknown) => {
    closeAlone();
    throw error;
  });
  return {
    port: listening.port,
    metricsPort: alone?.listening.port ?? null,
    stop: listening.stop,
    close() {
      listening.stop();
      closeAlone();
      app.close();
    },
  };
}
