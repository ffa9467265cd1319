// Free TCP ports on the loopback interface, for servers that cannot be told "port 0".

import { createServer } from 'node:net';

/** A TCP port on 127.0.0.1 that was free a moment ago; whoever takes it must still expect a clash. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() => {
        if (address !== null && typeof address === 'object') resolve(address.port);
        else reject(new Error('The probe for a free port has no address'));
      });
    });
  });
}
