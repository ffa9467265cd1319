import { describe, expect, it } from 'vitest';
import { type PostgresTarget, readPostgresUrl } from '../../src/shared/postgres-url.ts';

const DIRECTORY = '/var/run/postgresql';
const socket = (path = `${DIRECTORY}/.s.PGSQL.5432`) => ({ hosts: [{ path }] });

function target(text: string): PostgresTarget {
  const read = readPostgresUrl(text);
  if ('fault' in read) throw new Error(read.fault);
  return read;
}

describe('a Unix socket, as libpq spells it', () => {
  it.each([
    ['postgres:///db?host=/var/run/postgresql', { ...socket(), database: 'db' }],
    ['postgresql:///db?host=%2Fvar%2Frun%2Fpostgresql', { ...socket(), database: 'db' }],
    ['postgres://ann@%2Fvar%2Frun%2Fpostgresql/db', { ...socket(), user: 'ann', database: 'db' }],
    ['postgres://%2fvar%2frun%2fpostgresql/db', { ...socket(), database: 'db' }],
    ['postgres://%2Fvar%2Frun%2Fpostgresql', socket()],
    ['postgres://%2Fvar%2Frun%2Fpostgresql:5433', socket(`${DIRECTORY}/.s.PGSQL.5433`)],
    [
      'postgresql://ann@/db?host=/dir&port=5433',
      { ...socket('/dir/.s.PGSQL.5433'), user: 'ann', database: 'db' },
    ],
    ['postgres://%2Fa:1/?port=2&host=/b/', socket('/b/.s.PGSQL.2')],
    ['postgres://db.example:1/db?host=/b', { ...socket('/b/.s.PGSQL.1'), database: 'db' }],
    ['POSTGRES://%2FDir', socket('/Dir/.s.PGSQL.5432')],
    [
      'postgres://?host=/cloudsql/a:b:c&user=ann&password=p%26w&dbname=d',
      {
        ...socket('/cloudsql/a:b:c/.s.PGSQL.5432'),
        user: 'ann',
        password: 'p&w',
        database: 'd',
      },
    ],
    [
      'postgres://a%40b:p:%2F#@w+%25@/d%20b?host=/with%20space+%C3%BC',
      {
        ...socket('/with space+ü/.s.PGSQL.5432'),
        user: 'a@b',
        password: 'p:/#@w+%',
        database: 'd b',
      },
    ],
  ])('%s', (text, said) => {
    expect(target(text)).toEqual({ tls: {}, ignored: [], ...said });
  });
});

describe('a server over TCP', () => {
  it.each([
    ['postgres://', { hosts: [{}] }],
    ['postgres:///x', { hosts: [{}], database: 'x' }],
    ['postgres://db.example/x', { hosts: [{ host: 'db.example' }], database: 'x' }],
    ['postgres://db.example:6432', { hosts: [{ host: 'db.example', port: 6432 }] }],
    ['postgres://:6432/x', { hosts: [{ port: 6432 }], database: 'x' }],
    [
      'postgresql://ann:pw@[::1]:5432/x',
      { hosts: [{ host: '::1', port: 5432 }], user: 'ann', password: 'pw', database: 'x' },
    ],
    ['postgres://[fe80::1%25eth0]/', { hosts: [{ host: 'fe80::1%eth0' }] }],
    [
      'postgres:///prod?host=db.internal&user=u&password=pw',
      { hosts: [{ host: 'db.internal' }], user: 'u', password: 'pw', database: 'prod' },
    ],
    ['postgres://db.example/x?port=1', { hosts: [{ host: 'db.example', port: 1 }], database: 'x' }],
    [
      'postgres://a:1,b,[::2]:3/x?target_session_attrs=read-write',
      { hosts: [{ host: 'a', port: 1 }, { host: 'b' }, { host: '::2', port: 3 }], database: 'x' },
    ],
    [
      'postgres://a,b:7/?port=8',
      {
        hosts: [
          { host: 'a', port: 8 },
          { host: 'b', port: 8 },
        ],
      },
    ],
    [
      'postgres://?host=a,/run&port=1,2',
      { hosts: [{ host: 'a', port: 1 }, { path: '/run/.s.PGSQL.2' }] },
    ],
    [
      'postgres://u:p@ss:wo#rd+%20%2f@h/',
      { hosts: [{ host: 'h' }], user: 'u', password: 'p@ss:wo#rd+ /' },
    ],
  ])('%s', (text, said) => {
    expect(target(text)).toEqual({ tls: {}, ignored: [], ...said });
  });
});

describe('parameters', () => {
  it.each([
    [
      'sslmode=require&channel_binding=require',
      { tls: { mode: 'require' }, ignored: ['channel_binding'] },
    ],
    [
      'sslmode=verify-full&sslrootcert=/ca.pem',
      { tls: { mode: 'verify-full', rootCert: '/ca.pem' } },
    ],
    ['sslrootcert=system', { tls: { mode: 'verify-full', rootCert: 'system' } }],
    ['ssl=true', { tls: { mode: 'verify-full' } }],
    ['ssl=no-verify', { tls: { mode: 'require' } }],
    ['ssl=prefer', { tls: { mode: 'prefer' } }],
    [
      'sslmode=prefer&sslcert=/c&sslkey=/k&sslpassword=x',
      { tls: { mode: 'prefer', cert: '/c', key: '/k', keyPassword: 'x' } },
    ],
    ['sslmode=require&sslnegotiation=direct', { tls: { mode: 'require', isDirect: true } }],
    ['application_name=a%20b&connect_timeout=7', { applicationName: 'a b', connectTimeoutS: 7 }],
    ['connect_timeout=0&gssencmode=disable', {}],
    ['options=endpoint%3Dcool-name', { options: 'endpoint=cool-name' }],
    ['options=-c%20statement_timeout%3D5s', { options: '-c statement_timeout=5s' }],
    [
      'schema=public&pgbouncer=true&connection_limit=1',
      { ignored: ['schema', 'pgbouncer', 'connection_limit'] },
    ],
    ['sslmode=&application_name=', {}],
  ])('%s', (query, said) => {
    expect(target(`postgres://h/?${query}`)).toEqual({
      hosts: [{ host: 'h' }],
      tls: {},
      ignored: [],
      ...said,
    });
  });
});

describe('says what is wrong, and shows nothing of it', () => {
  it.each([
    ['mysql://hunter2@host', /is not understood/],
    ['hunter2', /is not understood/],
    ['postgres://u:hunter2@host:port/db', /port that is no number/],
    ['postgres://u:hunter2@host:70000/db', /port that is no number/],
    ['postgres://u:hunter2@h ost/db', /is not understood/],
    ['postgres://u:hunter2@a,b/db?port=1,2,3', /another number of ports/],
    ['postgres://u:hunter2@/db?host=/a&port=hunter2', /port that is no number/],
    ['postgres://u:hunter2@/db?host=/a/.s.PGSQL.5432', /directory the socket is in/],
    ['postgres://u:hunter2%@/db?host=/a', /% .* %25/],
    ['postgres://u:hunter2%@host/db', /% .* %25/],
    ['postgres:///db?host=%zz', /% .* %25/],
    ['postgres:///db?host=/a%00b', /is not understood/],
    ['postgres://h/?sslmode=hunter2', /sslmode that is none of disable/],
    ['postgres://h/?ssl=hunter2', /ssl that is none of/],
    ['postgres://h/?sslmode=require&sslrootcert=system', /verify-full only/],
    ['postgres://h/?sslmode=verify-ca', /without an sslrootcert/],
    ['postgres://h/?sslnegotiation=direct', /or stronger only/],
    ['postgres://u:hunter2@/db?hostaddr=10.0.0.5', /hostaddr after the \?/],
    ['postgres://h/?connect_timeout=hunter2', /connect_timeout/],
    ['postgres://h/?target_session_attrs=standby', /the service writes/],
    ['postgres://h/?gssencmode=require', /gssencmode/],
    ['postgres://h/?service=hunter2', /service after the \?/],
    ['postgres://h/?sslcrl=hunter2', /sslcrl after the \?/],
    ['postgres://h/?statment_timeout=5', /\(statment_timeout\)/],
    // A ? in a password that is not encoded: the rest of it is taken for a parameter.
    ['postgres://u:pass?hunter2@h/db', /port that is no number/],
    ['postgres://u?hunter2@h/db', /parameter after the \?/],
  ])('%s', (text, words) => {
    const read = readPostgresUrl(text);
    const fault = 'fault' in read ? read.fault : '';
    expect(fault).toMatch(words);
    expect(fault).toMatch(/^[^\n]+\.$/);
    expect(fault).not.toContain('hunter2');
  });
});
